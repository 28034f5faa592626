"""What calls and attributes give where no annotation, stub or docstring tells: a few facts, mostly of numpy and pandas.

Class or module, then member, then the type as an annotation that is read in the top-level module.
"""

from __future__ import annotations

_ARITHMETIC = ("__add__", "__sub__", "__mul__", "__truediv__", "__mod__", "__pow__", "__matmul__", "__and__", "__gt__")
_LABELLED = "Series | DataFrame"

_REDUCED = (
    *("all", "any", "argmax", "argmin", "clip", "cumprod", "cumsum", "max", "mean", "min", "prod", "round", "std"),
    *("sum", "take", "trace", "var"),
)

KNOWN: dict[str, dict[str, str]] = {
    "io": {"open": "TextIOWrapper | BufferedReader | BufferedWriter | BufferedRandom | FileIO"},
    "numpy.ndarray": {
        **dict.fromkeys([*_ARITHMETIC, *_REDUCED, "__getitem__", "__iter__"], "Self | ndarray | generic"),
        "shape": "tuple[int, ...]",
        "dtype": "dtype",
    },
    "numpy.generic": {**dict.fromkeys([*_ARITHMETIC, *_REDUCED], "ndarray | generic"), "dtype": "dtype"},
    "numpy.ufunc": {"__call__": "ndarray | generic"},
    "pandas.DataFrame": {
        **dict.fromkeys(_ARITHMETIC, "DataFrame"),
        "__getitem__": _LABELLED,
        "index": "Index",
        "columns": "Index",
    },
    "pandas.Series": {**dict.fromkeys(_ARITHMETIC, _LABELLED), "index": "Index"},
    "pandas.Index": dict.fromkeys(_ARITHMETIC, "Index | Series | DataFrame | ndarray"),
}
PLAIN_ROOTS = frozenset({"numpy"})
"""Libraries whose classes' type arguments say nothing about attributes."""
LABELLED = frozenset(
    {
        "pandas.core.generic.NDFrame",
        "pandas.core.groupby.groupby.BaseGroupBy",
        "pandas.core.window.rolling.BaseWindow",
    }
)
"""Classes that give labels (column names) as attributes, and nothing else beyond their own."""
OPEN = frozenset(
    {"types.SimpleNamespace", "functools.partial", "_thread._local", "builtins.super", "builtins.property"}
)
"""Classes whose instances take any attribute, which nothing in Python's source tells."""
CLOSED = frozenset({"numpy.ma.MaskedArray"})
"""Classes whose instances don't, although their source looks so."""
RARE = frozenset(
    {"numpy.matrix", "numpy.char.chararray", "numpy.recarray", "numpy.record", "numpy.memmap", "numpy.ma.MaskedArray"}
    | {"pandas.core.indexes.frozen.FrozenList"}
)
"""Classes whose instances come from calls that say so, and not where the class that they derive from is meant."""
CALLABLE = frozenset({"ufunc"})
"""Classes of objects that are documented as functions and have attributes of their own."""
