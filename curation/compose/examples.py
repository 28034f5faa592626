"""The statements of documented examples, and what each of them binds, changes and uses.

Nothing is run. Knows nothing about symbols, imports that are taken for granted, questions and prose.
"""

from __future__ import annotations

import ast
import doctest
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from curation.entries import Prose, Snippet

RANDOM = "@random"
"""Stands among used and changed names for the state of the random number generators."""
MAX_STEPS = 400
"""Statements that are read of one entry."""
_MAX_SNIPPET = 40_000
_MAX_STEP = 700
_DRAWS = re.compile(r"\brandom\b|\brvs\b")
_REMARK = re.compile(r"\s*#\s*(?:doctest:.*|random\b.*|may vary\b.*)$", re.IGNORECASE | re.MULTILINE)
# Methods and functions that change an object even where they give a value.
_CHANGING = frozenset(
    {
        "pop",
        "popitem",
        "popleft",
        "setdefault",
        "read",
        "readline",
        "readlines",
        "write",
        "seek",
        "next",
        "send",
        "recv",
        "execute",
        "put",
        "get_nowait",
        "push",
        "acquire",
        "release",
        "itemset",
        "rotate",
    }
)
_SHOWN = "…"
_INTERACTIVE = frozenset({"help", "input", "exit", "quit", "breakpoint", "getpass"})
_DRAWN_ON = re.compile(r"^(plt|pyplot|axs?\d*|axes|fig\d*|figure)$")


@dataclass(frozen=True)
class Step:
    """One statement of an example."""

    source: str
    """Its source, without prompts."""
    output: str
    """What the documentation shows below it; it is never copied, but tells how long the output is, and its form."""
    raised: str
    """The exception that the documentation shows it to end with, by its last name; else empty."""
    skipped: bool
    """Whether the documentation says that it can't be relied on to run."""
    tree: ast.stmt
    binds: frozenset[str]
    """Names that it binds anew."""
    changes: frozenset[str]
    """Names whose objects it may change."""
    uses: frozenset[str]
    """Names that it reads."""
    chains: frozenset[str]
    """Dotted names in it, e.g. `np.linalg.norm`; what is called or indexed stands as `()`, e.g. `().sum`."""
    lead: str = ""
    """The last sentence or two of prose that stand before it, as the docstring has them."""

    @property
    def imports(self) -> bool:
        """Whether it is an import."""
        return isinstance(self.tree, ast.Import | ast.ImportFrom)

    @property
    def prints(self) -> bool:
        """Whether a prompt would have shown a value."""
        return bool(self.output) and not self.raised

    @property
    def draws_picture(self) -> bool:
        """Whether it is a bare call on a figure or on its axes."""
        call = self.tree.value if isinstance(self.tree, ast.Expr) else None
        return isinstance(call, ast.Call) and any(_DRAWN_ON.match(name) for name in root_names(call))


def read_snippets(content: Sequence[Prose | Snippet]) -> list[Step]:
    """The statements of all snippets, in order; what is no Python is left out."""
    steps: list[Step] = []
    for one in content:
        if isinstance(one, Snippet) and len(one.source) <= _MAX_SNIPPET:
            steps.extend(_session(one.source) if one.form == "session" else _script(one.source))
    return steps[:MAX_STEPS]


def _session(text: str) -> Iterator[Step]:
    try:
        pieces = doctest.DocTestParser().parse(text)
    except ValueError:
        return
    prose = ""
    for piece in pieces:
        if isinstance(piece, str):
            prose = piece.strip() or prose
            continue
        source = _REMARK.sub("", piece.source).strip("\n")
        if len(source) > _MAX_STEP:
            continue
        skipped = bool(piece.options.get(doctest.SKIP))
        raised = re.match(r"[\w.]+", piece.exc_msg) if piece.exc_msg else None
        last = raised.group(0).rpartition(".")[2] if raised else ""
        if piece.exc_msg is not None and not last:
            continue
        yield from _steps(source, piece.want.rstrip("\n"), last, skipped, prose)
        prose = ""


def _script(text: str) -> Iterator[Step]:
    """A script's statements; a bare expression that is surely meant to show its value counts as showing it."""
    for step in _steps(textwrap.dedent(text).strip("\n"), "", "", False, ""):
        value = step.tree.value if isinstance(step.tree, ast.Expr) else None
        called = value.func if isinstance(value, ast.Call) else None
        if isinstance(value, ast.Constant):
            continue
        if isinstance(value, ast.Attribute | ast.Subscript | ast.BinOp | ast.Compare | ast.Name) or (
            isinstance(called, ast.Attribute) and isinstance(called.value, ast.Constant)
        ):
            yield replace(step, output=_SHOWN)
        else:
            yield step


def _steps(source: str, output: str, raised: str, skipped: bool, lead: str) -> Iterator[Step]:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    lines = source.splitlines()
    alone = len(body) == 1
    end = 0
    for number, tree in enumerate(body):
        first = min([tree.lineno, *(one.lineno for one in getattr(tree, "decorator_list", ()))])
        if alone:
            own = source
        elif first - 1 < end or (number + 1 < len(body) and body[number + 1].lineno == tree.end_lineno):
            own = ast.get_source_segment(source, tree) or ""  # several statements on a line
        else:
            start = first - 1
            while start > end and lines[start - 1].lstrip().startswith("#"):
                start -= 1
            own = "\n".join(lines[start : tree.end_lineno])
        end = tree.end_lineno or end
        if own and len(own) <= _MAX_STEP:
            last = number == len(body) - 1
            shown = output if last else ""
            yield describe(own, tree, shown, raised if last else "", skipped, lead if number == 0 else "")


def describe(
    source: str, tree: ast.stmt, output: str = "", raised: str = "", skipped: bool = False, lead: str = ""
) -> Step:
    """What a statement binds, changes and uses."""
    binds, changes, uses, chains = _names(tree)
    if isinstance(tree, ast.AugAssign):
        changes |= root_names(tree.target)
        uses |= changes
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Call) and not output:
        own = root_names(tree.value.func)
        changes |= own
        if not any(_DRAWN_ON.match(name) for name in own):
            changes |= {name for argument in tree.value.args for name in root_names(argument)}
    if any(_DRAWS.search(chain) for chain in chains):
        uses.add(RANDOM)
        if any(chain.endswith("random.seed") for chain in chains):
            changes = {RANDOM}
    inner = _inner_names(tree)
    return Step(
        source,
        output,
        raised,
        skipped or bool(uses & _INTERACTIVE) or _is_fragment(tree),
        tree,
        frozenset(binds - inner),
        frozenset(changes),
        frozenset(uses - inner),
        frozenset(chains),
        lead,
    )


def _names(tree: ast.stmt) -> tuple[set[str], set[str], set[str], set[str]]:
    """What a statement binds, changes by assignment, reads, and the dotted names in it."""
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
        elif isinstance(node, ast.ExceptHandler) and node.name:
            binds.add(node.name)
        elif isinstance(node, ast.alias):
            binds.add(node.asname or node.name.partition(".")[0])
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            changes |= root_names(node)
        elif isinstance(node, ast.Call) and _chain(node.func).rpartition(".")[2] in _CHANGING:
            changes |= root_names(node) - {"next"} | {name for one in node.args for name in root_names(one)}
    return binds, changes, uses, chains


def _is_fragment(tree: ast.stmt) -> bool:
    """Whether a statement can't run as it stands: with `...` for something left out, or `await` outside a function."""
    if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    for node in ast.walk(tree):
        given = [*node.args, *(one.value for one in node.keywords)] if isinstance(node, ast.Call) else []
        if isinstance(node, ast.Await | ast.Return | ast.Yield) and not isinstance(node, ast.Lambda):
            return True
        if any(isinstance(one, ast.Constant) and one.value is ... for one in given):
            return True
    return False


def _chain(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_chain(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "()"


def _inner_names(tree: ast.stmt) -> set[str]:
    """Names that only live inside the statement: parameters, comprehension variables, a function's own variables."""
    inner: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            inner.add(node.arg)
        elif isinstance(node, ast.comprehension):
            inner |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            inner.add(node.name)
    if isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        inner |= {
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        }
    return inner


def root_names(node: ast.expr) -> set[str]:
    """The name that a chain of attributes, subscripts and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def imported(line: str) -> dict[str, str]:
    """The names that an import statement binds, and the full dotted names that they stand for."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(line)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                found[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return found
