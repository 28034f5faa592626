"""Which entries of a must list an answer satisfies."""

from __future__ import annotations

import pytest

from evaluation.suite.must import completeness
from evaluation.suite.question import Handled, Idea, Must, Question, Symbol, Written


def satisfied(entry: Must, answer: str) -> bool:
    question = Question("x-y", "basic-usage", "x", "How?", (entry,), "")
    return completeness(question, answer).share == 1


def block(code: str) -> str:
    return f"So:\n\n```python\n{code}\n```\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("requests.get('x')", True),
        ("session.get('x')", True),
        ("f = requests.get", True),
        ("from requests import get as fetch\nfetch('x')", True),
        ("from requests import get", False),
        ("get = 5", False),
        ("requests.get = fetch", True),
        ("session().get += 1", True),
        ("for requests.get in gets: pass", True),
        ("x.getter = get = 6", False),
        ("def get(): pass", False),
        ("x = 'requests.get'  # get", False),
        ("x = {}.gets", False),
        ("requests.get('x'", False),
        ("@get\ndef f(): pass", True),
    ],
)
def test_a_symbol_is_used(code: str, expected: bool) -> None:
    assert satisfied(Symbol("requests.get"), block(code)) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("requests.get('x', timeout=5, stream=True)", True),
        ("requests.get('x', timeout=5)\nrequests.get('x', stream=True)", False),
        ("requests.post('x', timeout=5, stream=True)", False),
        ("requests.get('x', **{'timeout': 5, 'stream': 1})", True),
        ("options = {'timeout': 5}\nrequests.get('x', stream=True, **options)", True),
        ("options = dict(timeout=5, stream=1)\nrequests.get('x', **options)", True),
        ("requests.get('x', **options)", False),
        ("from functools import partial\nfetch = partial(requests.get, timeout=5, stream=True)", True),
        ("from requests import get as g\ng('x', timeout=1, stream=1)", True),
    ],
)
def test_one_call_has_all_keywords(code: str, expected: bool) -> None:
    assert satisfied(Symbol("requests.get", ("timeout", "stream")), block(code)) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("try: f()\nexcept requests.Timeout: pass", True),
        ("try: f()\nexcept (ValueError, requests.exceptions.Timeout) as e: pass", True),
        ("try: f()\nexcept* Timeout: pass", True),
        ("from requests import Timeout as T\ntry: f()\nexcept T: pass", True),
        ("ERRORS = (OSError, requests.Timeout)\ntry: f()\nexcept ERRORS: pass", True),
        ("raise Timeout('x')", True),
        ("raise requests.Timeout from error", True),
        ("with contextlib.suppress(requests.Timeout): f()", True),
        ("print(requests.Timeout)", False),
        ("try: f()\nexcept: pass", False),
        ("E = E\ntry: f()\nexcept E: pass", False),
        ("try: f()\nexcept ConnectTimeout: pass", False),
    ],
)
def test_an_exception_is_handled(code: str, expected: bool) -> None:
    assert satisfied(Handled("requests.exceptions.Timeout"), block(code)) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Close the\n  SESSION.", True),
        (block("x = 1  # close the session"), True),
        ("Leave it open.", False),
    ],
)
def test_an_idea_is_told_in_prose_or_code(answer: str, expected: bool) -> None:
    assert satisfied(Idea("it is closed", ("nothing", "close the session")), answer) is expected


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("tie", "Priorities and properties.", False),
        ("tie", "Ties are settled.", True),
        ("ties", block("break_ties = 1"), True),
        ("slots", block("__slots__ = ()"), True),
        ("64 bits", "It has 164 bits.", False),
        (".url", "Print response.URL", True),
        ("(log n)", "O(log n)", True),
        ("größ", "Die Größe, nicht die Übergröße", True),
        ("größe", "Die Übergröße", False),
    ],
)
def test_a_text_counts_where_a_word_begins(text: str, answer: str, expected: bool) -> None:
    assert satisfied(Idea("it is said", (text,)), answer) is expected


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("'Int64'", block("s.astype('Int64')"), True),
        ("'Int64'", block("s.astype('int64')"), False),
        ("'Int64'", block("s.astype(int)  # 'Int64' in another life"), False),
        ("'Int64'", block('x = "#"  # no\ny = """\n# \'Int64\'\n"""'), True),
        ("'Int64'", "Use `'Int64'`.", False),
        ("'Int64'", block("s.astype('Int64'"), False),
        ("'Int64'", block("x = (") + block("s.astype('Int64')"), True),
        ("melt(", block("x = df.melt(id_vars='a')"), True),
        ("melt(", block("x = smelt(1)"), False),
        (") from e", block("try:\n    f()\nexcept E as e:\n    raise A(\n        1\n    )   from e"), True),
        ("y = 2", block("x = 1  # one\r\ny = 2"), True),
    ],
)
def test_code_stands_in_what_runs(text: str, answer: str, expected: bool) -> None:
    assert satisfied(Written("it is done", ("nothing", text)), answer) is expected


def test_completeness_is_the_share_and_names_what_is_missing() -> None:
    must = (Symbol("a.one"), Symbol("a.two", ("x",)), Idea("three", ("drei",)), Handled("E"))
    found = completeness(Question("x-y", "basic-usage", "x", "How?", must, ""), block("one()") + block("two(x=1)"))
    assert found.share == 0.5
    assert list(map(str, found.missing)) == ["idea “three”", "exception E"]


@pytest.mark.parametrize("code", ["(" * 5000, "x" + ".y" * 60_000, "x = '\0'", "a\n" * 500_000, "x = [" * 150])
def test_absurd_code_is_survived(code: str) -> None:
    assert not satisfied(Symbol("a.get"), block(code))
    assert not satisfied(Written("it is got", ("a.get",)), block(code))
