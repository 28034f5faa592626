"""Summaries, headings and sections that are hard to bring into a question and an answer."""

from __future__ import annotations

import pytest

from curation.compose.examples import read_snippets
from curation.compose.imports import Imports
from curation.compose.narrative import prose_of, question_of
from curation.compose.phrasings import base_form, load_phrasings, third_person
from curation.compose.prose import about_parameter, clean_sentences, goal_of, sentence_about
from curation.compose.script import Example
from curation.entries import Origin, Prose, Snippet
from curation.markup import is_clean, promises
from symbols.table import SymbolTable


def told(summary: str, kind: str = "function") -> str:
    return sentence_about("lib.x", summary, kind, load_phrasings())


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        ("Superposes arrays fields by fields.", "`lib.x` superposes arrays fields by fields."),
        ("Frobs the gadget.", "`lib.x` frobs the gadget."),
        ("Frobs gadgets quickly.", "`lib.x`: Frobs gadgets quickly."),
        ("Frob the gadget.", "`lib.x` frobs the gadget."),
        ("Efficiently transform a text.", "`lib.x` efficiently transforms a text."),
        ("Partially sorts the elements.", "`lib.x` partially sorts the elements."),
        ("Rewrites Boolean expressions.", "`lib.x` rewrites Boolean expressions."),
        ("This function calculates the angle.", "`lib.x` calculates the angle."),
        ("This is a helper for callables.", "`lib.x` is a helper for callables."),
        ("This tests the total.", "`lib.x` tests the total."),
        ("x computes the total.", "`lib.x` computes the total."),
        ("Given a matrix, reorder the tree.", "`lib.x`: Given a matrix, reorder the tree."),
        ("Wrapper around expand that only uses a hint.", "`lib.x` is a wrapper around expand that only uses a hint."),
        ("Percentiles of the sample.", "`lib.x` gives the percentiles of the sample."),
        ("Pearson correlation coefficient.", "`lib.x` gives the Pearson correlation coefficient."),
        ("For an ordered index, compute the bounds.", "`lib.x`: For an ordered index, compute the bounds."),
        ("Apply it to this object and return its result.", "`lib.x` applies it to this object and returns its result."),
    ],
)
def test_a_verb_is_no_noun(summary: str, sentence: str) -> None:
    assert told(summary) == sentence


def test_a_verb_in_a_parameter_is_no_noun() -> None:
    words = load_phrasings()
    assert about_parameter("skipna", "Exclude missing values.", words) == "`skipna`: Exclude missing values."
    assert about_parameter("unit", "Denotes the unit.", words) == "`unit`: Denotes the unit."
    assert about_parameter("lower", "Is the matrix lower.", words).startswith("`lower`: ")
    assert about_parameter("w", "Weights of the points.", words) == "`w` gives the weights of the points."


@pytest.mark.parametrize("verb", ["take", "pass", "copy", "fix", "push", "play", "pose"])
def test_base_forms_are_found_again(verb: str) -> None:
    assert base_form(third_person(verb)) == verb


@pytest.mark.parametrize(
    "slip",
    [
        "Map values using input an input mapping.",
        "Return the the mean.",
        "Return a the mean.",
        "One of of the variables.",
        "Multiply by a an element.",
        "Output array of bools This is a scalar if it is one.",
    ],
)
def test_slips_reach_neither_questions_nor_leads(slip: str) -> None:
    assert not is_clean(slip)
    assert goal_of(slip, load_phrasings()) == ""


@pytest.mark.parametrize(
    "sentence",
    ["Unlike `a`, it is known a priori.", "The long long type holds more.", "It takes `a` and the `an` option."],
)
def test_what_looks_like_a_slip(sentence: str) -> None:
    assert is_clean(sentence)


def test_an_aim_is_one_command() -> None:
    assert (
        goal_of("Take an expression and returns the folded form.", load_phrasings())
        == "take an expression and return the folded form"
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "We divide the study of sums in two parts.",
        "This can be instantiated in several ways: x(D) where D is an array.",
        "It is defined as the solution to the equation.",
        "These are:",
        "There are two factors that produce this result.",
    ],
)
def test_promises_are_seen(sentence: str) -> None:
    assert promises(sentence)


def test_no_promise_ends_a_description() -> None:
    first, promise, formula = "Return the sum.", "It has two forms.", "It solves the equation"
    assert clean_sentences([f"{first} {promise}"], 4) == [first]
    assert clean_sentences([first, formula], 4) == [first]
    assert clean_sentences([f"{first} {promise} One is short."], 4) == [first, promise, "One is short."]
    assert not promises("It takes two arguments.")


@pytest.mark.parametrize(
    ("heading", "asked"),
    [
        ("Functional API", ""),
        ("Iteration", ""),
        ("Odds and Ends", ""),
        ("More on Lists", ""),
        ("json — JSON encoder and decoder", ""),
        ("Hash algorithms", ""),
        ("Return types", ""),
        ("Pull API for non-blocking parsing", ""),
        ("Sorting Basics", ""),
        ("Floating Point: Issues and Limits", ""),
        ("Don't follow redirects", ""),
        ("Reading and Writing Files", "read and write files"),
        ("Defining Clean-up Actions", "define clean-up actions"),
        ("Set a timeout", "set a timeout"),
        ("How to write adaptable objects", "write adaptable objects"),
        ("Passing pointers (or: passing by reference)", "pass pointers"),
        ("The del statement", "the del statement"),
        ("Generator Expressions", "generator expressions"),
        ("Unicode Literals in Source Code", "Unicode literals in source code"),
    ],
)
def test_only_headings_that_read_well_become_questions(heading: str, asked: str) -> None:
    origin = Origin(source="sphinx", package="stdlib", version="3.11")
    for key in "abcdef":
        found = question_of(heading, "Page", origin, load_phrasings(), key)
        assert asked in found if asked else found == "", found


def test_a_written_heading_is_a_command() -> None:
    origin = Origin(source="markdown", package="requests", version="2", written=True)
    for heading, asked in (
        ("Retry failed requests", "retry failed requests"),
        ("Mount an adapter", "mount an adapter"),
    ):
        assert asked in question_of(heading, "Page", origin, load_phrasings(), "key")


def lead_of(*content: str) -> str:
    return prose_of(
        [Snippet(source=one[4:], form="session") if one[:4] == ">>> " else Prose(text=one) for one in content]
    )[0]


def test_prose_has_no_gaps() -> None:
    assert lead_of("A list is mutable by design. It can grow.", "It can also shrink.") == (
        "A list is mutable by design. It can grow. It can also shrink."
    )
    assert lead_of("If you wrote code like this:", ">>> x = []", "Some operations mutate the object at hand.") == ""
    assert lead_of("A list is mutable by design. As you can see, it grew.", "It can also shrink.") == (
        "A list is mutable by design."
    )
    assert lead_of("A list is mutable by design.", ">>> x = []", "After the call it has grown.") == (
        "A list is mutable by design."
    )


def test_a_sentence_too_long_ends_the_prose() -> None:
    long = f"It is {'rather ' * 35}long."
    assert (
        lead_of(f"A list is mutable by design. {long} It can grow.", "It can shrink.") == "A list is mutable by design."
    )


@pytest.mark.parametrize(
    "opening",
    [
        "This makes lists mutable in place.",
        "So the list grows in place.",
        "In this case the list grows.",
        "The problem is that lists grow.",
        "There are two factors that produce this result:",
        "Here the list grows in place.",
        "You can call these functions as others.",
        "I’ll start by looking at lists here.",
    ],
)
def test_what_leans_on_something_opens_nothing(opening: str) -> None:
    assert lead_of(opening, "A list is mutable by design.") == ""


def test_consecutive_alternatives_are_no_script(table: SymbolTable) -> None:
    def script(source: str) -> str:
        steps = read_snippets([Snippet(source=source, form="script")])
        made = Example(steps, Imports("json", table, load_phrasings())).script(range(len(steps)))
        return "" if made is None else made.code

    assert script("class A:\n    x = 1\nclass A:\n    x = 2\nprint(A.x)") == ""
    assert script("def f():\n    return 1\nprint(f())\ndef f():\n    return 2\nprint(f())") == ""
    assert "print(A.x, B.x)" in script("class A:\n    x = 1\nclass B:\n    x = 2\nprint(A.x, B.x)")
