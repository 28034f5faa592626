"""Drafts composed of entries."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from typing import get_args

import pytest

from curation.compose import Comparisons, compose_page
from curation.compose.narrative import question_of
from curation.compose.phrasings import choice, load_phrasings, third_person
from curation.compose.questions import titled
from curation.compose.subject import MAX_ANSWER
from curation.compose.used import best_symbol
from curation.draft import Draft, Kind, to_record
from curation.entries import ApiEntry, Entry, Origin, Prose, QuestionEntry, RecordEntry, SectionEntry, Snippet
from curation.markup import is_clean
from symbols.introspect import Parameter
from symbols.table import SymbolTable

MakeEntry = Callable[..., ApiEntry]
DUMPS = """
Serialize an object to a JSON formatted string.

Longer words about it that are a sentence.

Parameters
----------
obj : object
    The object that is serialized.
sort_keys : bool, optional
    Whether the keys of dictionaries are sorted.
indent : int, optional
    Number of spaces of each level.

Returns
-------
text : str
    The JSON formatted text.

Raises
------
TypeError
    If the object can't be serialized.

See Also
--------
loads : Deserialize a string.

Notes
-----
Setting `sort_keys` is recommended where texts are compared, since the order is kept otherwise.

Examples
--------
>>> json.dumps([1, 2])
'[1, 2]'
>>> json.dumps({"b": 1, "a": 2}, sort_keys=True)
'{"a": 2, "b": 1}'
>>> json.dumps(object())
Traceback (most recent call last):
TypeError: no
""".strip()
LOADS = """
Deserialize a JSON formatted string to an object.

Examples
--------
>>> json.loads("[1, 2]")
[1, 2]
""".strip()


def plain(name: str, default: str | None = None, kind: str = "positional_or_keyword") -> Parameter:
    return Parameter(name, kind, default)


@pytest.fixture
def dumps(entry: MakeEntry) -> ApiEntry:
    keyword_only = [plain(name, "None", "keyword_only") for name in ("sort_keys", "indent")]
    return entry(symbol="json.dumps", module="json", parameters=(plain("obj"), *keyword_only), docstring=DUMPS)


@pytest.fixture
def loads(entry: MakeEntry) -> ApiEntry:
    return entry(symbol="json.loads", module="json", parameters=(plain("s"),), docstring=LOADS)


@pytest.fixture
def origin() -> Origin:
    return Origin(source="sphinx", package="stdlib", version="3.11", url="howto/json.html#a", licence="PSF-2.0")


def drafts_of(*entries: Entry, table: SymbolTable, seed: int = 0) -> list[Draft]:
    return list(compose_page(entries, table, seed))


def by_kind(drafts: list[Draft]) -> dict[str, Draft]:
    return {draft.provenance.kind: draft for draft in drafts}


def ended_with(code: str) -> tuple[str, str]:
    """What code printed, and the exception that it ended with."""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=20, check=False)
    last = done.stderr.strip().rpartition("\n")[2]
    return done.stdout, last.partition(":")[0] if done.returncode else ""


def test_a_docstring_gives_several_kinds_whose_code_runs(table: SymbolTable, dumps: ApiEntry) -> None:
    drafts = drafts_of(dumps, table=table)
    kinds = by_kind(drafts)
    assert {"usage", "error", "returns", "parameter", "raises", "practice"} == set(kinds)
    for draft in drafts:
        printed, error = ended_with(draft.code)
        assert printed and not error, draft.code
        assert draft.provenance.symbol == "json.dumps" and draft.provenance.licence == "PSF-2.0"
        assert is_clean(draft.lead) and all(is_clean(point) for point in draft.points)
        assert draft.provenance.kind in get_args(Kind)
        if draft.failing:
            assert ended_with(draft.failing)[1] == draft.expects
            assert draft.provenance.written and draft.failing != draft.code
    assert kinds["parameter"].lead == "In `json.dumps`, `sort_keys` tells whether the keys of dictionaries are sorted."
    assert "json.dumps(object())" in kinds["raises"].code
    assert kinds["raises"].lead == "`json.dumps` raises a `TypeError` if the object can't be serialized."
    assert kinds["returns"].lead == "`json.dumps` returns the JSON formatted text."
    assert "is recommended where texts are compared" in kinds["practice"].lead


def test_a_parameter_is_contrasted_with_the_call_without_it(table: SymbolTable, dumps: ApiEntry) -> None:
    draft = by_kind(drafts_of(dumps, table=table))["parameter"]
    assert draft.code == (
        'import json\n\nprint(json.dumps({"b": 1, "a": 2}))\nprint(json.dumps({"b": 1, "a": 2}, sort_keys=True))'
    )
    assert draft.provenance.written
    assert "`sort_keys` can only be passed by its name." in draft.points


def test_code_is_in_two_drafts_at_most_and_the_symbol_in_six(table: SymbolTable, dumps: ApiEntry) -> None:
    for seed in range(8):
        drafts = drafts_of(dumps, table=table, seed=seed)
        codes = [draft.code for draft in drafts]
        assert len(drafts) <= 6 and max(codes.count(code) for code in codes) <= 2


def test_the_seed_decides(table: SymbolTable, dumps: ApiEntry) -> None:
    assert drafts_of(dumps, table=table, seed=1) == drafts_of(dumps, table=table, seed=1)
    questions = {draft.instruction for seed in range(9) for draft in drafts_of(dumps, table=table, seed=seed)}
    failing = {draft.failing for seed in range(9) for draft in drafts_of(dumps, table=table, seed=seed)}
    assert len(questions) > 20 and len(failing) > 3


def test_no_choice_depends_on_the_order_of_sets(dumps: ApiEntry) -> None:
    code = """
import sys
from curation.compose import compose_page
from curation.entries import ApiEntry
from symbols.introspect import walk_packages
walk = walk_packages(["json"])
list(walk)
entry = ApiEntry.model_validate_json(sys.argv[1])
print([draft for seed in range(5) for draft in compose_page([entry], walk.table, seed)])
"""
    command = [sys.executable, "-c", code, dumps.model_dump_json()]
    seeds = ({"PYTHONHASHSEED": seed} for seed in ("1", "2"))
    first, second = (subprocess.run(command, env=one, capture_output=True, check=True).stdout for one in seeds)
    assert first == second and b"Draft(" in first


def test_questions_name_the_symbol_and_not_its_code(table: SymbolTable, dumps: ApiEntry) -> None:
    for seed in range(9):
        for draft in drafts_of(dumps, table=table, seed=seed):
            assert draft.instruction.endswith(("?", "."))
            assert "{" not in draft.instruction and "print" not in draft.instruction
            if draft.provenance.kind != "error":
                assert "json" in draft.instruction


def test_deprecated_and_undocumented_objects_give_nothing(table: SymbolTable, entry: MakeEntry) -> None:
    assert drafts_of(entry(docstring=DUMPS, deprecated=True), table=table) == []
    assert drafts_of(entry(docstring=""), table=table) == []
    assert drafts_of(entry(docstring="Return it.\n\n>>> sqrt(unknown_name)\n3\n"), table=table) == []


def test_an_object_without_an_example_may_have_its_signature_printed(table: SymbolTable, entry: MakeEntry) -> None:
    documentation = DUMPS.partition("Examples")[0]
    one = entry(
        symbol="json.dumps", module="json", parameters=(plain("obj"), plain("indent", "None")), docstring=documentation
    )
    found = [draft for seed in range(8) for draft in drafts_of(one, table=table, seed=seed)]
    assert 0 < len(found) < 8
    assert {draft.code for draft in found} == {"import inspect\n\nimport json\n\nprint(inspect.signature(json.dumps))"}
    assert "It needs `obj`; `indent` is optional." in found[0].lead


def test_long_documentation_is_cut_at_sentences(table: SymbolTable, entry: MakeEntry) -> None:
    sentence = "It does one more thing that takes a few words to tell."
    arguments = "\n".join(f"    {name}: {sentence}" for name in "abcdefgh")
    docstring = f"Return it all. {' '.join([sentence] * 30)}\n\nArgs:\n{arguments}\n\n>>> sqrt(4)\n2.0\n"
    one = entry(docstring=docstring, parameters=tuple(plain(name) for name in "abcdefgh"))
    for draft in drafts_of(one, table=table):
        assert len(to_record(draft, draft.code).output) <= MAX_ANSWER + 60
        assert draft.lead.endswith(".") and all(point.endswith(".") for point in draft.points)


def test_related_symbols_are_compared(table: SymbolTable, dumps: ApiEntry, loads: ApiEntry) -> None:
    comparisons = Comparisons(0)
    for one in (dumps, loads):
        list(compose_page([one], table, 0, comparisons))
    (draft,) = comparisons.drafts()
    assert draft.provenance.kind == "difference"
    assert draft.code == (
        'import json\n\n# json.dumps\nprint(json.dumps([1, 2]))\n\n# json.loads\nprint(json.loads("[1, 2]"))'
    )
    assert "`json.dumps` serializes" in draft.lead and "`json.loads` deserializes" in draft.lead
    assert list(comparisons.drafts()) == [draft]


def test_the_code_of_a_page_builds_on_what_stands_above(table: SymbolTable, origin: Origin) -> None:
    def section(heading: str, text: str, code: str, url: str = "howto/json.html#a") -> SectionEntry:
        return SectionEntry(
            origin=origin.model_copy(update={"url": url}),
            headings=("Working with JSON", heading),
            content=(Prose(text=text), Snippet(source=code, form="session")),
        )

    first = section(
        "Reading text", "A text is read by one call of `loads`.", ">>> data = json.loads('[3]')\n>>> data\n[3]"
    )
    second = section("Writing text", "A value is written by one call of `dumps`.", ">>> json.dumps(data)\n'[3]'")
    drafts = drafts_of(first, second, table=table)
    assert [draft.code for draft in drafts] == [
        "import json\n\ndata = json.loads('[3]')\nprint(data)",
        "import json\n\ndata = json.loads('[3]')\nprint(json.dumps(data))",
    ]
    assert "read text" in drafts[0].instruction and "write text" in drafts[1].instruction
    assert drafts[1].provenance.symbol == "json.dumps" and drafts[1].provenance.kind == "section"
    elsewhere = second.model_copy(update={"origin": origin.model_copy(update={"url": "other.html#a"})})
    assert len(drafts_of(first, elsewhere, table=table)) == 1


def test_a_written_section_also_gives_an_error(table: SymbolTable, origin: Origin) -> None:
    entry = SectionEntry(
        origin=origin.model_copy(update={"written": True}),
        headings=("JSON", "Write a list"),
        content=(
            Prose(text="A list becomes a JSON array."),
            Snippet(source="import json\n\nprint(json.dumps([1, 2]))", form="script"),
        ),
    )
    section, error = drafts_of(entry, table=table)
    assert section.provenance.written and error.provenance.kind == "error"
    assert ended_with(error.failing)[1] == error.expects


def test_a_question_keeps_its_title_and_code(table: SymbolTable, origin: Origin) -> None:
    entry = QuestionEntry(
        origin=origin.model_copy(update={"attribution": "A Person"}),
        title="How do I write JSON text?",
        answer=(
            Prose(text="Use `json.dumps`, which gives a text."),
            Snippet(source=">>> json.dumps([])\n'[]'", form="session"),
        ),
    )
    (draft,) = drafts_of(entry, table=table)
    assert draft.instruction == "How do I write JSON text?"
    assert draft.code == "import json\n\nprint(json.dumps([]))"
    assert draft.provenance.attribution == "A Person" and draft.provenance.symbol == "json.dumps"
    without = entry.model_copy(update={"answer": (Prose(text="Use `json.dumps`, which gives a text."),)})
    assert drafts_of(without, table=table) == []


def test_a_record_is_taken_apart(table: SymbolTable, origin: Origin) -> None:
    code = "import json\nprint(json.dumps([]))\n# []\n# noted"
    output = f"It is written so.\n\n```python\n{code}\n```\n\n- One point.\n- Another."
    entry = RecordEntry(origin=origin, instruction="How?", input="With a list.", output=output)
    (draft,) = drafts_of(entry, table=table)
    assert draft.instruction == "How?\n\nWith a list."
    assert draft.code == "import json\nprint(json.dumps([]))"
    assert draft.points == ("One point.", "Another.") and draft.lead == "It is written so."


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("Set a timeout", "set a timeout"),
        ("Reading a file", "read a file"),
        ("Custom headers", "custom headers"),
        ("The Mock Class", "mock class"),
        ("Why is it slow?", "Why is it slow?"),
        ("12", ""),
    ],
)
def test_headings_become_questions(origin: Origin, heading: str, question: str) -> None:
    requests = origin.model_copy(update={"package": "requests"})
    found = question_of(heading, "Guide", requests, load_phrasings(), "key")
    assert question.lower() in found.lower() if question else found == ""
    assert "{" not in found and "  " not in found


@pytest.mark.parametrize(
    ("title", "question"),
    [
        ("How to merge frames?", "How to merge frames?"),
        ("[SOLVED] how to merge two frames", "How to merge two frames?"),
        ("BUG: merging loses the index", "Merging loses the index. How is this solved?"),
        ("help", ""),
    ],
)
def test_titles_become_questions(title: str, question: str) -> None:
    assert titled(title) == question


def test_the_symbol_of_code(table: SymbolTable) -> None:
    assert best_symbol("import json\nprint(len(json.dumps([])))", "stdlib", table) == "json.dumps"
    assert best_symbol("import requests\nrequests.get('x')", "requests", table) == "requests.get"
    assert best_symbol("print(1)", "stdlib", table) == ""
    assert best_symbol("not python", "stdlib", table) == ""


@pytest.mark.parametrize(("verb", "third"), [("copy", "copies"), ("push", "pushes"), ("play", "plays"), ("do", "does")])
def test_third_person(verb: str, third: str) -> None:
    words = load_phrasings()
    assert third_person(verb) == third
    assert words.verb("Copies") == ("copy", "copies") == words.verb("Copy")
    assert words.verb("Nonsense") is None


def test_a_choice_depends_on_its_key_alone() -> None:
    assert {choice(f"key {number}", "abc") for number in range(50)} == {"a", "b", "c"}
    assert choice("key", "abc") == choice("key", "abc")


def test_all_code_is_valid(table: SymbolTable, dumps: ApiEntry, loads: ApiEntry) -> None:
    for seed in range(5):
        for draft in [*drafts_of(dumps, table=table, seed=seed), *drafts_of(loads, table=table, seed=seed)]:
            ast.parse(draft.code)
            ast.parse(draft.failing)
