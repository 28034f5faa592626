"""Docstrings of three styles, and the markup in them."""

from __future__ import annotations

import pytest

from bundle.sentences import first_sentence, sentences
from curation.docstring import Section, parse_docstring
from curation.markup import is_clean, to_markdown

NUMPYDOC = """
linspace(start, stop)

Return evenly spaced numbers, see :func:`numpy.arange`.

More about ``it`` [1]_.

.. versionadded:: 1.2
   Not to be shown.

Parameters
----------
start, stop : array_like
    Where it starts
    and ends.

    .. versionchanged:: 1.3
       Nor this.
num : int, optional
    How many.

Returns
-------
samples : ndarray
    The samples.

Raises
------
ValueError
    If `num` is negative.

Examples
--------
>>> linspace(0, 1)
""".strip()

GOOGLE = """
Fetch rows from a table.

Args:
    keys (list[str]): The keys, one a row,
        as strings.
    **kwargs: Passed on.

Returns:
    A dict of rows.

Raises:
    IOError: If the table is gone.
""".strip()

SPHINX = """
Sends a GET request.

:param url: URL for the new :class:`Request` object.
:param int timeout: (optional) how long to wait
    for an answer.
:param \\*\\*kwargs: Passed on.
:return: :class:`Response <Response>` object
:raises Timeout: when it takes too long.
:rtype: requests.Response
""".strip()


def test_numpydoc() -> None:
    doc = parse_docstring(NUMPYDOC)
    assert doc.paragraphs == ("Return evenly spaced numbers, see `numpy.arange`.", "More about `it`.")
    assert doc.parameters == {
        "start": Section("array_like", "Where it starts and ends."),
        "stop": Section("array_like", "Where it starts and ends."),
        "num": Section("int, optional", "How many."),
    }
    assert doc.returns == Section("ndarray", "The samples.")
    assert doc.raises == {"ValueError": "If `num` is negative."}


def test_google() -> None:
    doc = parse_docstring(GOOGLE)
    assert doc.paragraphs == ("Fetch rows from a table.",)
    assert doc.parameters["keys"] == Section("list[str]", "The keys, one a row, as strings.")
    assert doc.parameters["kwargs"].text == "Passed on."
    assert doc.returns == Section("", "A dict of rows.")
    assert doc.raises == {"IOError": "If the table is gone."}


def test_sphinx() -> None:
    doc = parse_docstring(SPHINX)
    assert doc.paragraphs == ("Sends a GET request.",)
    assert doc.parameters["url"].text == "URL for the new `Request` object."
    assert doc.parameters["timeout"] == Section("int", "How long to wait for an answer.")
    assert "kwargs" in doc.parameters
    assert doc.returns is not None and doc.returns.text == "`Response` object"
    assert doc.raises == {"Timeout": "when it takes too long."}


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        (
            "range(stop) -> range object\nrange(start, stop[, step]) -> range object\n\nReturn an object.",
            "Return an object.",
        ),
        ("D.copy() -> a shallow copy of D", "Return a shallow copy of D"),
        (
            "L.index(value) -> integer -- return first index of value.\nRaises it.",
            "Return first index of value. Raises it.",
        ),
        ("D.clear() -> None.  Remove all items from D.", "Remove all items from D."),
        ("Int8(x)\n--\n\nA type of integers.", "A type of integers."),
        ("Only a sentence.", "Only a sentence."),
        ("Before a block::\n\n    >>> x", "Before a block::"),
        ("", ""),
    ],
)
def test_summaries(text: str, summary: str) -> None:
    assert " ".join(parse_docstring(text).paragraphs) == summary


@pytest.mark.parametrize(
    ("markup", "markdown"),
    [
        (":class:`~a.b.C` and ``x``", "`C` and `x`"),
        ("see the `user guide <https://example.org>`_ now", "see the user guide now"),
        ("`Named link`__ text [12]_", "Named link text"),
        ("the *readline* argument, *args and **kwargs", "the readline argument, *args and **kwargs"),
        ("uses r\\*\\*k (see Notes)", "uses r**k"),
        ("two\n  lines", "two lines"),
    ],
)
def test_markup(markup: str, markdown: str) -> None:
    assert to_markdown(markup) == markdown


def test_sentences() -> None:
    assert sentences("Use it, e.g. Here. Then stop! `x` is next.") == [
        "Use it, e.g. Here.",
        "Then stop!",
        "`x` is next.",
    ]
    assert first_sentence("no full stop") == "no full stop."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No end",
        "An `open quote.",
        "An (open bracket.",
        "Left ::over.",
        "It is possible using.",
        "$x$ is maths.",
        "As follows:",
    ],
)
def test_broken_prose_is_not_clean(text: str) -> None:
    assert not is_clean(text)
    assert is_clean("A whole sentence (with `code[`) of words.")


def test_notes_and_related_objects_are_read() -> None:
    doc = parse_docstring(
        """
Return it.

.. note:: It is slow
   on Mondays.

Parameters
----------
x : int
    What.

    .. warning::

       Not for the `faint`.

See Also
--------
zeros, ones : Arrays of one value.
:func:`numpy.empty` : Without values,
    which is faster.
full
    A value of one's own.

Notes
-----
The first paragraph.

    code

* a list

The second paragraph.
""".strip()
    )
    assert doc.paragraphs == ("Return it.",)
    assert doc.notes == ("It is slow on Mondays.", "The first paragraph.", "The second paragraph.")
    assert doc.see_also == {
        "zeros": "Arrays of one value.",
        "ones": "Arrays of one value.",
        "numpy.empty": "Without values, which is faster.",
        "full": "A value of one's own.",
    }


def test_sections_may_be_underlined_twice() -> None:
    doc = parse_docstring(
        "Return it.\n\nExplanation\n===========\n\nMore of it.\n\nParameters\n==========\n\nx : int\n    What.\n\n"
        "Examples\n========\n\n>>> f(1)\n\nSee Also\n========\n\nother"
    )
    assert doc.paragraphs == ("Return it.", "More of it.")
    assert doc.parameters == {"x": Section("int", "What.")}
    assert doc.see_also == {"other": ""}


def test_call_forms_before_and_after_a_blank_line_are_left_out() -> None:
    doc = parse_docstring("f(x, /, out=None)\n\nf(x, y)\n\nThe integral of it.")
    assert doc.paragraphs == ("The integral of it.",)


@pytest.mark.parametrize(
    ("lines", "returned"),
    [
        ("q : ndarray\n    The factor.\nr : ndarray\n    The rest.", Section("tuple", "`q` and `r`.")),
        ("total : float\n    The sum.\ncount : int, optional\n    How many.", Section("float", "The sum.")),
        ("Series\n    One column.\nDataFrame\n    Several.", Section("Series", "One column.")),
    ],
)
def test_values_that_are_returned_together(lines: str, returned: Section) -> None:
    assert parse_docstring(f"Split a matrix.\n\nReturns\n-------\n{lines}\n").returns == returned
