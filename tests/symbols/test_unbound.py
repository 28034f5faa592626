"""Names that nothing binds where code runs at once."""

from __future__ import annotations

import pytest

from symbols.unbound import Unbound, unbound


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = 1\nprint(x, len([]), __name__)", []),
        ("import a.b\nfrom c import d as e\na, e", []),
        ("a\n\nb.c.d(e)", [Unbound("a", "", 1), Unbound("b", "c", 3), Unbound("e", "", 3)]),
        ("for x in y:\n    z(\n        x.w\n    )", [Unbound("y", "", 1), Unbound("z", "", 2, called=True)]),
        ("[a for a in range(3)]\n(b := 1)\nwith c as d: d", [Unbound("c", "", 3)]),
        ("def f(a=b):\n    return c\nlambda: d", []),
        ("@a.b\n@c\ndef f(): d", [Unbound("a", "b", 1), Unbound("c", "", 1)]),
        ("@a.b\nclass C: pass", [Unbound("a", "b", 1)]),
        ("class A(B):\n    x = y", [Unbound("B", "", 1), Unbound("y", "", 2)]),
        ("try:\n    a\nexcept NameError:\n    b", []),
        ("try:\n    a\nexcept ValueError:\n    b", [Unbound("a", "", 2), Unbound("b", "", 4)]),
        ("from a import *\nb", []),
        ("match a:\n    case {'b': c, **d}: c, d, e", [Unbound("a", "", 1), Unbound("e", "", 2)]),
    ],
)
def test_what_is_used_and_never_bound(code: str, found: list[Unbound]) -> None:
    assert unbound(code) == found


def test_functions_are_looked_into_where_they_are_asked_for() -> None:
    code = "def f(a=b):\n    c = d(a)\n    return c.e, lambda g: h(g)"
    assert unbound(code, functions=True) == [
        Unbound("b", "", 1),
        Unbound("d", "", 2, called=True),
        Unbound("h", "", 3, called=True),
    ]


def test_what_is_no_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        unbound("a b")
    with pytest.raises(SyntaxError):
        unbound("-" * 20_000 + "a")
