"""Doctest examples as a short script: the statements that show a symbol, and only what these need.

The outputs are the documentation's own, as comments and in the form that `print` gives; nothing is run. Knows
nothing about questions and prose.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import io
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

MAX_CODE = 460
"""Characters of code beyond which no further statement is added."""
MAX_FIRST = 640
"""Characters beyond which an example is not taken at all."""
_UNSEEDED = re.compile(
    r"default_rng\(\)|RandomState\(\)|\brandom\.(?!default_rng|Generator|RandomState|SeedSequence)\w"
)
_MAX_STEP = 600
_MAX_OUTPUT_LINES = 6
_MAX_OUTPUT = 300
_BUILTINS = frozenset(dir(builtins))
# Values whose `print` is their `repr`, beside what a literal says of itself.
_PRINTED_AS_SHOWN = re.compile(
    r"^(\w*Index|Categorical|Interval|IntervalArray|<\w+Array>|\w*Array|Counter|deque|defaultdict|\w*Dtype|dtype"
    r"|poly1d|range|slice|namedtuple|PosixPath)\b"
)


@dataclass(frozen=True)
class Step:
    """One statement of an example, as typed at a prompt."""

    source: str
    """Its source, without prompts."""
    output: str
    """What the documentation shows below it; empty where that is not to be relied on."""
    prints: bool
    """Whether a prompt would have shown a value."""
    tree: ast.stmt
    binds: frozenset[str]
    """Names that it binds anew."""
    changes: frozenset[str]
    """Names whose objects it may change."""
    uses: frozenset[str]
    """Names that it reads."""
    chains: frozenset[str]
    """Dotted names in it, e.g. `np.linalg.norm`; what is called or indexed stands as `()`, e.g. `().sum`."""


def read_steps(text: str) -> list[Step]:
    """The statements of all doctest examples in a docstring; those that are shown to fail are left out."""
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return []
    steps: list[Step] = []
    for example in examples:
        source = re.sub(r"\s*#\s*doctest:.*", "", example.source).strip("\n")
        if example.exc_msg is not None or len(source) > _MAX_STEP:
            continue
        try:
            body = ast.parse(source).body
        except (SyntaxError, ValueError):
            continue
        if len(body) == 1:
            skipped = doctest.SKIP in example.options
            steps.append(_step(source, "" if skipped else example.want.rstrip("\n"), bool(example.want), body[0]))
    return steps


def write_script(
    steps: Sequence[Step], symbol: str, on_instances: bool, import_for: Callable[[str], str | None]
) -> str | None:
    """A script of the first statements that use a symbol, with what they need, and imports on top; None without one.

    Args:
        steps: The statements, in the documentation's order.
        symbol: The full dotted name that is to be shown.
        on_instances: Whether it is a method or a property, so that any object's attribute of the name may be it.
        import_for: The import statement that gives a name that the examples never bind; None where there is none.
    """
    names = _imported_names(steps, import_for)
    chosen: set[int] = set()
    script: str | None = None
    shown = 0
    for number in [index for index, step in enumerate(steps) if _shows(step, symbol, on_instances, names)]:
        if script is not None and not steps[number].prints:
            continue
        wanted = chosen | _needed(steps, number)
        text = _assemble(steps, wanted, import_for)
        if text is None or (script is not None and len(text) > MAX_CODE):
            continue
        if script is None and len(text) > MAX_FIRST:
            continue
        chosen, script, shown = wanted, text, shown + 1
        if shown == 3:
            break
    return script


def _imported_names(steps: Sequence[Step], import_for: Callable[[str], str | None]) -> dict[str, str]:
    """What the names that no statement assigns stand for, as full dotted names."""
    assigned = {name for step in steps if not _is_import(step) for name in step.binds}
    found: dict[str, str] = {}
    for step in steps:
        if _is_import(step):
            found.update(_imports_of(step.source))
    for name in {name for step in steps for name in step.uses} - assigned - set(found):
        line = import_for(name)
        if line is not None:
            found.update(_imports_of(line))
        elif name in _BUILTINS:
            found[name] = f"builtins.{name}"
    return {name: dotted for name, dotted in found.items() if name not in assigned}


def _shows(step: Step, symbol: str, on_instances: bool, names: Mapping[str, str]) -> bool:
    """Whether a statement uses the symbol, as far as its names tell."""
    if _is_import(step):
        return False
    last = symbol.rpartition(".")[2]
    for chain in step.chains:
        root, _, rest = chain.partition(".")
        if root in names:
            full = f"{names[root]}.{rest}" if rest else names[root]
            if full == symbol:
                return True
        elif on_instances and rest and chain.rpartition(".")[2] == last:
            return True
    return False


def _step(source: str, output: str, prints: bool, tree: ast.stmt) -> Step:
    binds: set[str] = set()
    changes: set[str] = set()
    uses: set[str] = set()
    chains: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (uses if isinstance(node.ctx, ast.Load) else binds).add(node.id)
            chains.add(node.id)
        elif isinstance(node, ast.Attribute):
            chains.add(_chain(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            binds.add(node.name)
        elif isinstance(node, ast.arg):
            binds.add(node.arg)
        elif isinstance(node, ast.alias):
            binds.add(node.asname or node.name.partition(".")[0])
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            changes |= _root_names(node)
    if isinstance(tree, ast.AugAssign):
        changes |= _root_names(tree.target)
        uses |= changes
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Call) and not prints:
        changes |= _root_names(tree.value.func)
        changes |= {name for argument in tree.value.args for name in _root_names(argument)}
    inner = _inner_names(tree)
    binds -= inner
    uses -= inner
    return Step(source, output, prints, tree, frozenset(binds), frozenset(changes), frozenset(uses), frozenset(chains))


def _chain(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_chain(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "()"


def _inner_names(tree: ast.stmt) -> set[str]:
    """Names that only live inside the statement: parameters and comprehension variables."""
    inner: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            inner.add(node.arg)
        elif isinstance(node, ast.comprehension):
            inner |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
    return inner


def _root_names(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _is_import(step: Step) -> bool:
    return isinstance(step.tree, ast.Import | ast.ImportFrom)


def _needed(steps: Sequence[Step], number: int) -> set[int]:
    """The statement, those before it that it depends on, and the next one if that shows what this one made."""
    chosen = {number}
    made = steps[number].binds | steps[number].changes
    if not steps[number].prints:
        for later in range(number + 1, min(number + 4, len(steps))):
            step = steps[later]
            if step.prints and made & step.uses and isinstance(step.tree, ast.Expr):
                chosen.add(later)
                break
            if step.binds & made:
                break
    for start in sorted(chosen):
        needed = set(steps[start].uses)
        for index in range(start - 1, -1, -1):
            step = steps[index]
            if not needed & (step.binds | step.changes):
                continue
            chosen.add(index)
            needed -= step.binds - step.changes
            needed |= step.uses
    return chosen


def _assemble(steps: Sequence[Step], chosen: set[int], import_for: Callable[[str], str | None]) -> str | None:
    imports: list[str] = []
    lines: list[str] = []
    bound: set[str] = set()
    random = any(_UNSEEDED.search(steps[index].source) for index in chosen)
    for index in sorted(chosen):
        step = steps[index]
        for name in sorted(step.uses - bound - _BUILTINS - (step.binds if _defines(step) else frozenset())):
            line = import_for(name)
            if line is None:
                return None
            imports.append(line)
            bound.add(name)
        bound |= step.binds
        if _is_import(step):
            imports.append(step.source)
        else:
            lines.append(_printed(step, random))
    body = "\n".join(lines)
    head = "\n".join(dict.fromkeys(line for line in imports if set(_imports_of(line)) & _words(body)))
    return f"{head}\n\n{body}" if head else body


def _defines(step: Step) -> bool:
    """Whether the statement binds its names before it uses them inside: loops, `with`, definitions."""
    return isinstance(
        step.tree,
        ast.For | ast.With | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith,
    )


def _imports_of(line: str) -> dict[str, str]:
    """The names that an import statement binds, and what they stand for."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(line)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                found[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return found


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _printed(step: Step, random: bool) -> str:
    """The statement, printed where the prompt would have shown its value, with its output unless that is random."""
    source = step.source
    is_print = re.match(r"\s*p?print\(", source) is not None
    if isinstance(step.tree, ast.Expr) and step.prints and not is_print:
        source = f"print({_without_comment(source)})"
    shown = step.output if is_print or not isinstance(step.tree, ast.Expr) else as_printed(step.output)
    lines = shown.splitlines()
    hidden = random or re.search(
        r"\.\.\.|<BLANKLINE>|0x[0-9a-f]{4}|\brandom\b|\bvary\b", f"{shown}\n{step.source}", re.IGNORECASE
    )
    if not lines or hidden or len(lines) > _MAX_OUTPUT_LINES or len(shown) > _MAX_OUTPUT:
        return source + ("\n" if isinstance(step.tree, ast.For | ast.With | ast.FunctionDef | ast.ClassDef) else "")
    return "\n".join([source, *(f"# {line}".rstrip() for line in lines)])


def _without_comment(source: str) -> str:
    """A statement without a comment at its end."""
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    ending = (tokenize.COMMENT, tokenize.NEWLINE, tokenize.NL, tokenize.ENDMARKER)
    row, column = next(token.end for token in reversed(tokens) if token.type not in ending)
    lines = source.splitlines()[:row]
    return "\n".join([*lines[:-1], lines[-1][:column]])


def as_printed(shown: str) -> str:
    """What `print` gives for a value that a prompt shows so; empty where that can't be told."""
    text = re.sub(r"\s+# .*$", "", shown) if "\n" not in shown else shown
    array = re.fullmatch(r"array\((\[.*\])(?:,\s*dtype=[\w<>'|]+)?\)", text, re.DOTALL)
    if array:
        inner = array.group(1)
        return "" if "'" in inner else re.sub(r"\n {6}", "\n", inner.replace(",", ""))
    scalar = re.fullmatch(r"np\.(?:\w*int\w*|float\w*|True_|False_|bool_?|str_|complex\w*)(?:\((.*)\))?", text)
    if scalar:
        text = scalar.group(1) or text.removeprefix("np.").rstrip("_")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        plain = "\n" in text and not re.match(r"\w+\(|<|\[|\{|\(", text)
        return text if plain or _PRINTED_AS_SHOWN.match(text) else ""
    if isinstance(value, str):
        return value if value.strip() == value and value.isprintable() and value else ""
    return "" if isinstance(value, bytes) and len(value) > 80 else text
