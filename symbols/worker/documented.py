"""The documented public objects of modules, each under its shortest public name."""

from __future__ import annotations

import inspect
import platform
import re
import sys
import types
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from .modules import OPAQUE, is_function, is_public, names_of, read, signature_of

MAX_DOCSTRING = 60_000
COPIED_DOCSTRING = 120
STDLIB = "stdlib"
# Second names of what has a better one (`os.path`, `os`), internals that are public by their spelling only, commands.
STDLIB_UNDOCUMENTED = frozenset(
    [
        "genericpath",
        "ntpath",
        "nturl2path",
        "nt",
        "posix",
        "posixpath",
        "pyexpat",
        "sre_compile",
        "sre_constants",
        "sre_parse",
        "opcode",
        "pdb",
        "pydoc",
        "encodings",
        "sitecustomize",
        "usercustomize",
        "tkinter",
    ]
)


class Found:
    """A public name of an object: where it is, and how good a name it is.

    `receiver` is the class whose instances have it, `home` whether that class defines it, `size` how many public
    names that class has.
    """

    def __init__(
        self, module: str, rest: str, value: Any, receiver: str = "", home: bool = False, size: int = 0
    ) -> None:
        self.module, self.rest, self.value, self.receiver = module, rest, value, receiver
        self.home, self.size = home, size
        self.symbol = f"{module}.{rest}"

    @property
    def rank(self) -> tuple[Any, ...]:
        """Sorts the best name first: the defining class's, few parts, the object's own name, the richest class's."""
        parts = self.symbol.count(".") - (self.module == "builtins")
        own = getattr(self.value, "__name__", "") == self.rest.rpartition(".")[2]
        defined_here = getattr(self.value, "__module__", "") == self.module
        return (not self.home, parts, not own, not defined_here, -self.size, self.symbol)


def identity(raw: Any) -> int:
    """What stays the same under all names of an object: bound methods and properties stand for their function."""
    for name in ("__func__", "fget", "func"):
        inner = inspect.getattr_static(raw, name, None)
        if inspect.isroutine(inner):
            return id(inner)
    return id(getattr(raw, "__func__", raw))


def public_here(module: types.ModuleType, attribute: str, value: Any) -> bool:
    """Whether a module offers this attribute as its own.

    Where the package lists its public names in `__all__`, its inner modules that list none are internals.
    """
    name = module.__name__
    offered = getattr(module, "__all__", None)
    if offered is not None:
        return attribute in offered
    if name == "builtins":
        return True
    if name.count(".") >= 2 and hasattr(sys.modules[name.partition(".")[0]], "__all__"):
        return False
    home = str(getattr(value, "__module__", None) or "").lstrip("_")
    return home == name or home.startswith(name + ".")


def find_objects(names: list[str]) -> list[Found]:
    """Every function, class and member of the public modules, each under its best name."""
    best: dict[Any, Found] = {}

    def offer(key: Any, found: Found) -> None:
        if key not in best or found.rank < best[key].rank:
            best[key] = found

    for name in names:
        module = sys.modules[name]
        if not is_public(name) or name.partition(".")[0] in STDLIB_UNDOCUMENTED:
            continue
        for attribute in names_of(module):
            value = read(module, attribute)
            if (isinstance(value, type) or is_function(value)) and public_here(module, attribute, value):
                offer(identity(value), Found(name, attribute, value))
    roots = {name.partition(".")[0] for name in names}
    for found in [one for one in best.values() if isinstance(one.value, type)]:
        for key, member in members_of(found, found.value, found.symbol, roots):
            offer(key, member)
    every = list(best.values())
    best.clear()
    for found in every:  # copies of one docstring under one name document one thing
        docstring = docstring_of(found.value)
        copied = len(docstring) >= COPIED_DOCSTRING
        offer((found.symbol.rpartition(".")[2], docstring) if copied else found.symbol, found)
    return sorted(best.values(), key=lambda one: one.symbol)


def members_of(
    found: Found, owner: type, receiver: str, roots: set[str], home_of_accessor: bool = True
) -> Iterator[tuple[int, Found]]:
    """The methods, properties and nested exceptions of a class, and the members of its accessors."""
    size = len(names_of(found.value))
    for name in names_of(owner):
        raw = inspect.getattr_static(owner, name, OPAQUE)
        definer = next((base for base in owner.__mro__ if name in vars(base)), None)
        if raw is OPAQUE or definer is None or str(definer.__module__).partition(".")[0].lstrip("_") not in roots:
            continue
        value = read(owner, name)
        rest = f"{found.rest}.{name}"
        home = definer is owner and home_of_accessor
        if isinstance(value, type):
            if not isinstance(raw, type) and owner is found.value:  # an accessor such as Series.str
                accessor = Found(found.module, rest, found.value)
                yield from members_of(accessor, value, receiver, roots, home)
            elif value.__qualname__ == f"{owner.__qualname__}.{name}" and issubclass(value, BaseException):
                yield identity(value), Found(found.module, rest, value)
        elif isinstance(raw, (classmethod, staticmethod)) or type(raw).__name__ == "classmethod_descriptor":
            yield identity(raw), Found(found.module, rest, value, "", home, size)
        elif inspect.isroutine(raw) or is_property(raw):
            yield identity(raw), Found(found.module, rest, raw, receiver, home, size)


def is_property(raw: Any) -> bool:
    """Whether a raw class attribute is computed on access: a property, a cached or a C-level one."""
    return isinstance(raw, property) or inspect.isdatadescriptor(raw) or type(raw).__name__ == "cached_property"


def kind_of(found: Found) -> str:
    """What an object is: function, class, exception, method or property."""
    if isinstance(found.value, type):
        return "exception" if issubclass(found.value, BaseException) else "class"
    if not found.receiver:
        return "function"
    return "method" if inspect.isroutine(found.value) else "property"


def docstring_of(value: Any) -> str:
    """The object's own docstring, without indentation; empty where it has none."""
    text = vars(value).get("__doc__") if isinstance(value, type) else getattr(value, "__doc__", None)
    if not isinstance(text, str) or (not isinstance(value, type) and text == type(value).__doc__):
        return ""
    return inspect.cleandoc(text)[:MAX_DOCSTRING]


def is_deprecated(found: Found, docstring: str) -> bool:
    """Whether an object says of itself that it is deprecated; a deprecated parameter does not count."""
    if getattr(found.value, "__deprecated__", None):
        return True
    head = re.split(r"^(?:Parameters|Args:|Arguments:|:param)", docstring, maxsplit=1, flags=re.MULTILINE)[0]
    return bool(
        re.search(r"^\.\. deprecated(-removed)?::", head, re.MULTILINE)
        or re.match(r"\W*(\w+ is )?(deprecat|obsolete)", head, re.IGNORECASE)
        or re.search(r"\b(?:function|method|class|module) (?:is|has been) (?:now )?deprecated", head)
    )


def text_of_default(value: Any) -> str:
    """A default value as source text; an ellipsis where its text is long or differs from run to run."""
    try:
        text = repr(value)
    except Exception:
        return "..."
    return text if len(text) <= 40 and text.isprintable() and not text.startswith("<") and "0x" not in text else "..."


def parameters_of(found: Found, kind: str) -> list[list[str | None]] | None:
    """Name, kind and default (None where it is required) of each parameter; None where Python can't tell."""
    if kind == "property":
        return []
    signature = signature_of(found.value)
    if signature is None:
        return None
    parameters = list(signature.parameters.values())
    if kind == "method" and parameters:
        del parameters[0]
    return [
        [one.name, one.kind.name.lower(), None if one.default is one.empty else text_of_default(one.default)]
        for one in parameters
    ]


def returns_of(value: Any) -> str:
    """The return annotation as text, or nothing."""
    annotation = getattr(value, "__annotations__", {}).get("return", "") if inspect.isroutine(value) else ""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return text[:80] if text.isprintable() and "0x" not in text else ""


def distribution_of(package: str) -> tuple[str, str, str]:
    """The distribution's name, version and licence of an import name, as far as the metadata tells."""
    if package == STDLIB or package.partition(".")[0] in sys.stdlib_module_names:
        return STDLIB, platform.python_version(), "PSF-2.0"
    root = package.partition(".")[0]
    for name in [*metadata.packages_distributions().get(root, ()), root]:
        try:
            facts: Any = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        classifiers = [line for line in facts.get_all("Classifier") or () if line.startswith("License ::")]
        licence = facts.get("License-Expression") or (facts.get("License") or "").strip().partition("\n")[0]
        if not licence or len(licence) > 100:
            licence = facts.get("License-Expression") or (classifiers[0].rpartition(" :: ")[2] if classifiers else "")
        return facts["Name"], facts["Version"], licence or "unknown"
    return root, str(getattr(sys.modules.get(root), "__version__", "unknown")), "unknown"


def is_below(module: str, names: set[str]) -> bool:
    """Whether a module is one of the named ones or inside one."""
    return any(module == name or module.startswith(name + ".") for name in names)


def describe(found: Found, distribution: tuple[str, str, str], deprecated_modules: set[str]) -> dict[str, Any]:
    """An object as one line's value."""
    kind = kind_of(found)
    docstring = docstring_of(found.value)
    return {
        "symbol": found.symbol,
        "module": found.module,
        "receiver": found.receiver,
        "kind": kind,
        "parameters": parameters_of(found, kind),
        "returns": returns_of(found.value),
        "docstring": docstring,
        "deprecated": is_below(found.module, deprecated_modules) or is_deprecated(found, docstring),
        "package": distribution[0],
        "version": distribution[1],
        "licence": distribution[2],
    }
