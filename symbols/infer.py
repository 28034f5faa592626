"""What expressions are: types from the symbol table, followed through the syntax tree of code that is never run.

    numbers = np.arange(6).reshape(2, 3)      an ndarray, as the table says of `reshape`

An expression is a name of the table (a module, a class, a function), or an instance of one of a few classes, or
unknown, and most of Python leads to the unknown: what can't be told is left alone. Knows nothing about what is wrong.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from symbols.table import ABSTRACT, BUILTINS, EXACT, LABELS, OPAQUE, RECEIVER, UNKNOWN, SymbolTable

MAX_ALTERNATIVES = 16
MAX_DEPTH = 5
MAX_SIZE = 200
"""Instances that a type is made of; the arguments of a larger one are unknown."""
_ELEMENTS = 24

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "/",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitAnd: "&",
    ast.BitOr: "&",
    ast.BitXor: "&",
}
_SEQUENCES = ("list", "tuple", "str", "bytes")


@dataclass(frozen=True)
class Named:
    """A module, class, function or value of the table itself."""

    reference: int
    receiver: Instance | None = None
    """For a method: what it is called on, or an instance of the class that it is called on."""
    of_class: bool = False
    """For a method: whether it is called on the class."""
    others: tuple[Named, ...] = ()
    """For a method of a union: those of the other classes."""


@dataclass(frozen=True)
class Instance:
    """An instance of a class."""

    scope: int
    arguments: tuple[Types, ...] = ()
    """The class's type arguments, e.g. of a `list`'s elements."""
    exact: bool = False
    """Whether it is of exactly this class and of none that is derived from it."""
    size: int = field(default=1, init=False, compare=False, repr=False)
    """How many instances it is made of, itself and its arguments'."""

    def __post_init__(self) -> None:
        size = 1 + sum(one.size for types in self.arguments for one in types or ())
        if size > MAX_SIZE:  # `x = list(zip(x, x))` doubles it each time
            object.__setattr__(self, "arguments", ())
        else:
            object.__setattr__(self, "size", size)


Types = tuple[Instance, ...] | None
"""The classes that something may be an instance of; None where that is unknown."""
Value = Named | Types


class Typist:
    """Tells what expressions are, given what names are."""

    def __init__(self, table: SymbolTable) -> None:
        self.table = table
        self._classes: dict[str, int] = {}

    # Types

    def builtin(self, name: str, *arguments: Types) -> Types:
        """Instances of a built-in class; unknown where the table has no built-in classes."""
        if name not in self._classes:
            found = self.table.resolve(f"{BUILTINS}.{name}") if BUILTINS in self.table.roots else None
            self._classes[name] = -1 if found is None else found
        scope = self._classes[name]
        return (Instance(scope, arguments, exact=True),) if scope >= 0 else None

    def is_builtin(self, one: Instance, *names: str) -> bool:
        """Whether an instance is one of these built-in classes."""
        return any(self.builtin(name) and self._classes[name] == one.scope for name in names)

    def types(self, number: int, receiver: Instance | None = None, depth: int = 0) -> Types:
        """The table's type of this number, on a receiver."""
        if number == UNKNOWN or depth > MAX_DEPTH:
            return None
        found: list[Instance] = []
        for head, *rest in self.table.types[number]:
            if head >= 0:
                arguments = tuple(self.types(one, receiver, depth + 1) for one in rest)
                found.append(Instance(head, arguments))
            elif receiver is None:
                return None
            elif head == RECEIVER:
                found.append(receiver)
            else:
                place = RECEIVER - 1 - head
                argument = receiver.arguments[place] if place < len(receiver.arguments) else None
                if argument is None:
                    return None
                found.extend(argument)
        return join([tuple(found)])

    def special(self, value: Value, sign: str) -> Types:
        """What an operation on instances gives: the union over all that they may be."""
        if value is None or isinstance(value, Named):
            return None
        return join([self._special(one, sign) for one in value])

    def _special(self, one: Instance, sign: str) -> Types:
        for scope in self.table.lineage(one.scope):
            number = self.table.scopes[scope].specials.get(sign)
            if number is not None:
                return self.types(number, one)
        return None

    def member(self, one: Instance, name: str) -> tuple[bool, Value]:
        """Whether an instance has an attribute, as far as its class tells, and what that is."""
        for scope in self.table.lineage(one.scope):
            for members in (self.table.scopes[scope].attributes, self.table.scopes[scope].members):
                if name in members:
                    return True, self.of_reference(members[name], one)
        return False, None

    def of_reference(self, reference: int, one: Instance | None = None) -> Value:
        """What a reference of the table stands for, on a receiver."""
        leaf = self.table.leaf(reference)
        if leaf.value != UNKNOWN and leaf.result == UNKNOWN:
            return self.types(leaf.value, one)
        return None if reference == OPAQUE else Named(reference, one)

    # Expressions

    def attribute(self, value: Value, name: str) -> Value:
        """What an attribute of a value is."""
        if isinstance(value, Named):
            if value.reference < 0:
                return self.attribute(self.itself(value), name)
            reference = self.table.member(value.reference, name)
            if reference is None:
                return None
            found = self.of_reference(reference, Instance(value.reference))
            return Named(found.reference, found.receiver, of_class=True) if isinstance(found, Named) else found
        if value is None or name.startswith("_"):
            return None
        known = [what for has, what in (self.member(one, name) for one in value) if has]
        methods = [what for what in known if isinstance(what, Named)]
        if methods and len(methods) == len(known):
            return replace(methods[0], others=tuple(methods[1:]))
        return join([None if isinstance(what, Named) else what for what in known])

    def types_of_call(self, value: Value) -> Types:
        """What calling a value gives."""
        if not isinstance(value, Named):
            return self.special(value, "(")
        if value.others:
            return join([self.types_of_call(one) for one in (replace(value, others=()), *value.others)])
        if value.reference >= 0:
            made = self.table.scopes[value.reference].makes
            return (Instance(value.reference, (), made == EXACT),) if made else None
        return self.types(self.table.leaf(value.reference).result, value.receiver)

    def itself(self, value: Value) -> Types:
        """The classes that a value may be an instance of; a function has one where it is an object of its own kind."""
        if isinstance(value, Named):
            return self.types(self.table.leaf(value.reference).value) if value.reference < OPAQUE else None
        return value

    def called(self, value: Value, call: ast.Call, arguments: Sequence[Value]) -> Types:
        """What a call gives; a few built-in classes take their type arguments from the call's."""
        result = self.types_of_call(value)
        if result is None or not isinstance(value, Named) or len(result) != 1 or not arguments:
            return result
        one = result[0]
        if value.reference >= 0 and self.is_builtin(one, "list", "set", "frozenset", "enumerate", "reversed", "iter"):
            return (Instance(one.scope, (self.special(arguments[0], "for"),), one.exact),)
        if value.reference >= 0 and self.is_builtin(one, "zip"):
            row = self.builtin("tuple", *(self.special(each, "for") for each in arguments))
            return (Instance(one.scope, (row,), one.exact),)
        if self.is_builtin(one, "list") and value == Named(self.table.resolve("sorted") or 0):
            return (Instance(one.scope, (self.special(arguments[0], "for"),), True),)
        return result

    def subscript(self, value: Value, index: ast.expr, key: Value) -> Types:
        """What `value[index]` is."""
        if value is None or isinstance(value, Named):
            return None
        return join([self._subscripted(one, index, key) for one in value])

    def _subscripted(self, one: Instance, index: ast.expr, key: Value) -> Types:
        whole = self._special(one, "[")
        labelled = self.table.openness(one.scope) == LABELS
        if isinstance(index, ast.Slice) and (self.is_builtin(one, *_SEQUENCES) or labelled):
            return (one,)
        if self.is_builtin(one, "tuple"):
            number = _integer(index)
            return one.arguments[number] if number is not None and number < len(one.arguments) else None
        if self.is_builtin(one, "list"):
            return one.arguments[0] if one.arguments else None
        return whole

    def operation(self, left: Value, sign: type[ast.operator], right: Value) -> Types:
        """What a binary operator gives, where both sides are instances."""
        if left is None or right is None or isinstance(left, Named) or isinstance(right, Named):
            return None
        own = [one for one in (*left, *right) if self._is_plain(one)]
        if len(own) == len(left) + len(right):
            return self._of_plain(left, sign, right)
        if all(self._is_plain(one) for one in left):
            left, right = right, left  # as in `2 * array`
        wide = [one for one in right if not self._is_plain(one)]
        return join([self.special(side, _OPERATORS.get(sign, "")) for side in (left, tuple(wide)) if side])

    def _is_plain(self, one: Instance) -> bool:
        return self.is_builtin(one, "int", "float", "str", "bytes", "bool", "complex", "list", "tuple", "dict", "set")

    def _of_plain(self, left: Types, sign: type[ast.operator], right: Types) -> Types:
        assert left and right
        if sign is ast.Mod and all(self.is_builtin(one, "str", "bytes") for one in left):
            return left
        if sign is ast.Mult and all(self.is_builtin(one, *_SEQUENCES) for one in left):
            return left
        numbers = ("int", "bool", "float")
        if all(self.is_builtin(one, *numbers) for one in (*left, *right)):
            return join([self.builtin("int"), self.builtin("float"), self.builtin("complex")])
        if sign is ast.Add and {one.scope for one in left} == {one.scope for one in right} and len(left) == 1:
            return left if left == right else (Instance(left[0].scope, (), True),)
        return None

    def comparison(self, values: Sequence[Value]) -> Types:
        """What a comparison gives."""
        sides: list[Instance] = []
        for value in values:
            if value is None or isinstance(value, Named):
                return None
            sides.extend(value)
        wide = [self._special(one, ">") for one in sides if not self._is_plain(one)]
        return join(wide) if wide else self.builtin("bool")

    def elements(self, value: Value) -> Types:
        """What a loop over a value gives; what a tuple of known parts holds is the union of them."""
        if value is None or isinstance(value, Named):
            return None
        parts: list[Types] = []
        for one in value:
            several = self.is_builtin(one, "tuple") or self._is_sequence(one)
            parts.append(join(list(one.arguments)) if several else self._for(one))
        return join(parts)

    def _for(self, one: Instance) -> Types:
        found = self._special(one, "for")
        abstract = self.table.scopes[one.scope].openness == ABSTRACT  # Iterator[T] and its kin
        return found if found is not None or not abstract or not one.arguments else one.arguments[0]

    def unpacked(self, value: Value, count: int) -> list[Types]:
        """What the parts of an unpacking assignment to `count` names are."""
        if value is not None and not isinstance(value, Named) and len(value) == 1:
            one = value[0]
            if len(one.arguments) == count and (self.is_builtin(one, "tuple") or self._is_sequence(one)):
                return list(one.arguments)
        return [self.elements(value)] * count

    def _is_sequence(self, one: Instance) -> bool:
        return self.table.scopes[one.scope].name == "collections.abc.Sequence"

    def literal(self, node: ast.Constant) -> Types:
        """What a constant is."""
        if node.value is None or node.value is Ellipsis:
            return None
        return self.builtin(type(node.value).__name__)

    def display(self, name: str, *parts: Iterable[Value]) -> Types:
        """A list, set or dictionary of these elements (keys, values)."""
        return self.builtin(name, *(self._common(list(one)) for one in parts))

    def _common(self, values: list[Value]) -> Types:
        if not 0 < len(values) <= _ELEMENTS:
            return None
        return join([None if isinstance(value, Named) else value for value in values])


def join(parts: Sequence[Types]) -> Types:
    """The union of types; unknown where one of them is, where there is none, and where there are many."""
    found: dict[Instance, None] = {}
    for part in parts:
        if part is None:
            return None
        found.update(dict.fromkeys(part))
    return tuple(found) if 0 < len(found) <= MAX_ALTERNATIVES else None


def merged(one: Value, other: Value) -> Value:
    """What a name is that is the one or the other."""
    if isinstance(one, Named) or isinstance(other, Named):
        return one if one == other else None
    return join([one, other])


def _integer(node: ast.expr) -> int | None:
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int and node.value >= 0 else None
