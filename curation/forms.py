"""Call forms: valid code that imports a symbol and calls it with its real parameters. Runs nothing."""

from __future__ import annotations

import ast
import builtins
import keyword
import re

from curation.phrasings import Phrasings
from symbols.introspect import STDLIB, Entry, Parameter
from symbols.table import BUILTINS

MAX_OPTIONAL = 2
"""Optional parameters that a call form shows."""


class Form:
    """How a symbol is imported, and how code names it."""

    def __init__(self, entry: Entry, phrasings: Phrasings) -> None:
        self._entry = entry
        self._phrasings = phrasings
        self.imports, self.prefix = self._import()

    @property
    def rest(self) -> str:
        """The symbol's name within its module, e.g. `DataFrame.groupby`."""
        return self._entry.symbol.removeprefix(self._entry.module + ".")

    def _import(self) -> tuple[str, str]:
        """The import statement (empty for built-ins), and what stands before `rest` in code."""
        entry = self._entry
        if entry.module == BUILTINS:
            return "", ""
        if entry.module in self._phrasings.aliases:
            alias = self._phrasings.aliases[entry.module]
            return f"import {entry.module} as {alias}", f"{alias}."
        root, _, below = entry.module.partition(".")
        if root in self._phrasings.aliases and below and "." not in below:
            alias = self._phrasings.aliases[root]
            return f"import {root} as {alias}", f"{alias}.{below}."
        first = self.rest.partition(".")[0]
        lower = entry.kind == "function" and "." not in self.rest
        if "." not in entry.module and (lower or entry.package != STDLIB):
            return f"import {entry.module}", f"{entry.module}."
        if entry.module == "os.path":
            return "import os", "os.path."
        return f"from {entry.module} import {first}", ""

    def variable(self) -> str:
        """A variable name for an instance of the class, or of the method's class."""
        dotted = self._entry.receiver or self._entry.symbol
        known = self._phrasings.receivers.get(dotted)
        name = (
            known or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", dotted.rpartition(".")[2]).lower()
        )
        taken = {one.name for one in self._entry.parameters or ()} | set(re.findall(r"\w+", self.imports))
        if name in taken or keyword.iskeyword(name) or hasattr(builtins, name) or len(name) > 20:
            name = name.rpartition("_")[2] if "_" in name else "instance"
        return "instance" if name in taken or keyword.iskeyword(name) or hasattr(builtins, name) else name

    def code(self, mentioned: set[str], returns: bool) -> str | None:
        """The call form; None where Python can't tell what the call takes.

        Args:
            mentioned: Parameters that the documentation speaks of; only these are shown of the optional ones.
            returns: Whether the call gives a value.
        """
        entry = self._entry
        if entry.kind == "exception":
            name = self.prefix + self.rest
            body = f"try:\n    run()\nexcept {name} as error:\n    print(error)"
        elif entry.kind == "property":
            chain = entry.symbol.removeprefix(entry.receiver + ".")
            variable = self.variable()
            body = f"{variable}: {self._receiver()}\nprint({variable}.{chain})"
        else:
            arguments = self._arguments(mentioned)
            if arguments is None:
                return None
            if entry.kind == "method":
                variable = self.variable()
                call = f"{variable}.{entry.symbol.removeprefix(entry.receiver + '.')}({arguments})"
                body = f"{variable}: {self._receiver()}\n{self._assigned(call, returns)}"
            elif entry.kind == "class":
                body = f"{self.variable()} = {self.prefix}{self.rest}({arguments})"
            else:
                body = self._assigned(f"{self.prefix}{self.rest}({arguments})", returns)
        code = f"{self.imports}\n\n{body}" if self.imports else body
        return code if _is_valid(code) else None

    def _receiver(self) -> str:
        return self.prefix + self._entry.receiver.removeprefix(self._entry.module + ".")

    @staticmethod
    def _assigned(call: str, returns: bool) -> str:
        # A value that is left unused invites a small model to go on by itself, with a statement of Python 2.
        return f"result = {call}\nprint(result)" if returns else call

    def _arguments(self, mentioned: set[str]) -> str | None:
        if self._entry.parameters is None:
            return None
        parts: list[str] = []
        optional = 0
        for one in self._entry.parameters:
            if one.required:
                parts.append(one.name if one.kind != "keyword_only" else f"{one.name}={one.name}")
            elif one.kind == "var_positional" and one.name != "args":
                parts.append("*" + one.name)
            elif optional < MAX_OPTIONAL and one.name in mentioned and _is_literal(one):
                optional += 1
                parts.append(f"{one.name}={one.default}")
        return ", ".join(parts)


def _is_literal(parameter: Parameter) -> bool:
    """Whether the parameter can be given by its name, with its default as it is written."""
    if parameter.kind not in ("positional_or_keyword", "keyword_only") or parameter.name.startswith("_"):
        return False
    try:
        ast.literal_eval(parameter.default or "")
    except (ValueError, SyntaxError):
        return False
    return parameter.default != "..."


def _is_valid(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True
