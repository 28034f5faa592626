"""Snippets that are right and snippets that are subtly wrong, made of real docstring examples and proven by running.

An example is run with a probe at every attribute, which tells what the attribute is looked up on. One name in it is
then changed; the changed snippet is kept if running it ends with the error that the library has for a name that does
not exist. Everything runs in the sandbox. Knows nothing about the checker, and never asks it anything.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import json
import random
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import Limits, Warm
from symbols.introspect import STDLIB, Entry

LIBRARIES = ("numpy", "pandas", "requests", STDLIB)
LIMITS = Limits(seconds=10, output_bytes=4 * 2**20, memory_bytes=4 * 2**30)
MAX_LINES = 30
_MARK = "@@sites@@"

# Requests has next to no examples in its docstrings; these are run against canned responses.
REQUESTS = [
    "r = requests.get('https://example.org/items', timeout=5)\nprint(r.status_code, r.ok)\nprint(r.headers.get('x'))",
    "response = requests.get('https://example.org/items', params={'page': 2})\nfor item in response.json():\n"
    "    print(item)\nresponse.raise_for_status()",
    "response = requests.post('https://example.org/items', json={'name': 'a'})\nprint(response.text.strip())\n"
    "print(response.elapsed.total_seconds())",
    "with requests.Session() as session:\n    session.headers.update({'x-test': 'true'})\n"
    "    response = session.get('https://example.org/', allow_redirects=False)\n    print(response.url)",
    "session = requests.Session()\nsession.auth = ('user', 'pass')\nsession.mount('https://', "
    "requests.adapters.HTTPAdapter(max_retries=3))\nanswer = session.put('https://example.org/1', data=b'x')\n"
    "print(answer.reason.lower())\nsession.close()",
    "request = requests.Request('GET', 'https://example.org/', headers={'accept': 'text/html'})\n"
    "prepared = request.prepare()\nprint(prepared.url.upper(), prepared.method, prepared.headers.items())",
    "response = requests.Response()\nresponse.status_code = 404\ntry:\n    response.raise_for_status()\n"
    "except requests.HTTPError as error:\n    print(error.response)\nprint(response.is_redirect)",
    "response = requests.get('https://example.org/file', stream=True)\n"
    "for chunk in response.iter_content(chunk_size=8):\n    print(chunk.hex())",
    "response = requests.get('https://example.org/lines')\nfor line in response.iter_lines(decode_unicode=True):\n"
    "    print(line)\nprint(response.encoding)",
    "from requests.auth import HTTPBasicAuth\nauth = HTTPBasicAuth('user', 'pass')\n"
    "response = requests.get('https://example.org/', auth=auth)\nprint(auth.username.title(), response.content[:3])",
    "jar = requests.cookies.RequestsCookieJar()\njar.set('a', 'b', domain='example.org', path='/')\n"
    "response = requests.get('https://example.org/', cookies=jar)\nprint(jar.get_dict(), response.cookies.keys())",
    "from requests.structures import CaseInsensitiveDict\nheaders = CaseInsensitiveDict()\nheaders['Accept'] = 'x'\n"
    "print(headers.get('accept'), list(headers.lower_items()))",
    "response = requests.head('https://example.org/')\nprint(response.history, response.links, response.next)",
    "response = requests.delete('https://example.org/1', headers={'x': 'y'})\nprint(response.request.method)\n"
    "print(response.request.headers.get('x'))",
    "import requests.exceptions\ntry:\n    requests.get('nonsense')\n"
    "except requests.exceptions.MissingSchema as error:\n    print(error.args)",
    "print(requests.codes.ok, requests.utils.quote('a b'), requests.utils.default_user_agent())",
    "session = requests.Session()\nresponse = session.request('OPTIONS', 'https://example.org/')\n"
    "print(response.headers['content-type'].split(';'), session.cookies.get_dict())",
    "from requests import Session\ns = Session()\nr = s.post('https://example.org/', data={'k': 'v'}, timeout=3)\n"
    "print(r.apparent_encoding, r.text.splitlines())\ns.close()",
    "response = requests.patch('https://example.org/1', json=[1, 2])\nbody = response.content\nprint(body.decode())",
    "prepared = requests.Request('POST', 'https://example.org/', data={'a': 1}).prepare()\n"
    "copied = prepared.copy()\nprint(copied.body.encode(), copied.path_url.split('?'))",
]
_CANNED = """
import datetime, io, requests, requests.adapters
def _send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
    response = requests.Response()
    response.status_code, response.reason, response.url = 200, "OK", request.url
    response.encoding, response.request, response.connection = "utf-8", request, self
    response.headers.update({"content-type": "application/json; charset=utf-8", "x": "y"})
    response.raw = io.BytesIO(b'[{"a": 1},\\n {"a": 2}]')
    return response
requests.adapters.HTTPAdapter.send = _send
"""
_PROBE = """
import inspect as _inspect, json as _json, sys as _sys, types as _types
_found = {}
def _seen(number, owner, name):
    kind = "module" if isinstance(owner, _types.ModuleType) else "class" if isinstance(owner, type) else "instance"
    cls = owner if kind == "class" else type(owner)
    where = owner.__name__ if kind == "module" else cls.__module__
    _found.setdefault(number, [kind, where, "" if kind == "module" else cls.__qualname__])
    return getattr(owner, name)
"""

# Names that a library had, or that its users believe it to have, by the class or module that they are looked for on.
_GONE = """
numpy: float int bool object complex long unicode asscalar product cumproduct alltrue sometrue NaN Inf float_ complex_
numpy: unicode_ string_ cast msort find_common_type round_ row_stack in1d trapz safe_eval recfromcsv mat source lookfor
numpy: obj2sctype issctype maximum_sctype sctypes compat DataSource add_newdoc_ufunc byte_bounds
numpy.ndarray: itemset newbyteorder ptp tostring
pandas: Panel datetime np Int64Index Float64Index UInt64Index TimeGrouper SparseArray rolling_mean
pandas.DataFrame: append iteritems applymap ix lookup mad swapaxes pad backfill bool slice_shift tshift get_value
pandas.DataFrame: set_value as_matrix sortlevel sort from_items
pandas.Series: append iteritems is_monotonic mad swapaxes pad backfill bool ravel tshift get_value as_matrix order sort
pandas.Index: is_monotonic is_integer is_floating is_mixed to_native_types asi8 contains
builtins.dict: has_key iteritems itervalues iterkeys
builtins.str: decode
builtins.list: add push contains
time: clock
os: getcwdu errno popen2
string: letters join lowercase uppercase maketrans
inspect: getargspec formatargspec getmoduleinfo
collections: Mapping MutableMapping Sequence Iterable Callable
itertools: izip imap ifilter izip_longest
base64: encodestring decodestring
math: inf_ round clamp
fractions: gcd
sys: maxint setcheckinterval exc_clear
array.array: tostring fromstring
datetime.datetime: toordinals to_timestamp format
requests: async connections safe_mode utils2 fetch
requests.models.Response: status body error data code status_text
requests.sessions.Session: fetch config timeout clear
"""
REMOVED: dict[str, list[str]] = {}
for _line in _GONE.strip().splitlines():
    REMOVED.setdefault(_line.partition(": ")[0], []).extend(_line.partition(": ")[2].split())


@dataclass(frozen=True)
class Site:
    """A name in an example that can be changed."""

    what: str
    """attribute, keyword or import."""
    kind: str
    """module, class or instance: what it is looked up on; for a keyword, what the called function is looked up on."""
    owner: str
    """The dotted name of that module or class."""
    name: str
    """The name itself."""
    line: int
    column: int


@dataclass(frozen=True)
class Example:
    """A script that runs, and the sites in it."""

    library: str
    symbol: str
    code: str
    sites: tuple[Site, ...]


@dataclass(frozen=True)
class Snippet:
    """What the checker gets to see, and the truth about it."""

    library: str
    symbol: str
    group: str
    """functions or instances."""
    code: str
    wrong: str
    """The name that doesn't exist; empty where all is right."""
    change: str
    """How it was made wrong: attribute, keyword, removed or import; `right` where it wasn't."""
    line: int = 0
    error: str = ""
    """The last line of what Python said to the wrong one."""


def scripts(entries: Sequence[Entry]) -> Iterator[tuple[str, str, str]]:
    """Library, symbol and script of each docstring with examples, and of the requests snippets."""
    for number, code in enumerate(REQUESTS):
        yield (
            "requests",
            f"requests.{number}",
            f"import requests\n\n{code}" if "import requests\n" not in code else code,
        )
    seen: set[str] = set()
    for entry in entries:
        code = script_of(entry)
        if code and code.isascii() and code.count("\n") < MAX_LINES and code not in seen:
            seen.add(code)
            yield entry.package, entry.symbol, code


def script_of(entry: Entry) -> str:
    """A docstring's examples as one script, with the imports that they take for granted; empty where there are none."""
    try:
        examples = doctest.DocTestParser().get_examples(entry.docstring)
        lines = [re.sub(r"\s*#\s*doctest:.*", "", one.source).rstrip("\n") for one in examples if one.exc_msg is None]
        body = "\n".join(lines)
        tree = ast.parse(body)
    except (SyntaxError, ValueError):
        return ""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    free = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - bound - set(dir(builtins))
    usual = {"np": "import numpy as np", "pd": "import pandas as pd"}
    imports = [usual[name] for name in sorted(free & set(usual))]
    for name in sorted(free - set(usual)):
        top = entry.module.partition(".")[0]
        imports.append(
            f"import {name}" if name in (entry.module, top, "os", "sys") else f"from {entry.module} import {name}"
        )
    return "\n".join([*imports, "", *lines]) if lines else ""


def probe(warm: Warm, library: str, symbol: str, code: str) -> Example | None:
    """Run a script with probes; None where it fails, or says that something is deprecated."""
    tree = ast.parse(code)
    transformer = _Probes()
    probed = ast.unparse(ast.fix_missing_locations(transformer.visit(tree)))
    canned = _CANNED if library == "requests" else ""
    head = f"{canned}{_PROBE}"
    tail = f"\nprint({'chr(10)'} + {_MARK!r} + _json.dumps(_found))"
    outcome = warm.run(
        f"import warnings as _w\n_w.simplefilter('error', DeprecationWarning)\n{head}{probed}{tail}", LIMITS
    )
    if outcome.reason != "ok" or _MARK not in outcome.stdout:
        return None
    found: dict[str, Any] = json.loads(outcome.stdout.rpartition(_MARK)[2])
    kinds = {int(number): tuple(what) for number, what in found.items()}
    return Example(library, symbol, code, tuple(_sites(ast.parse(code), transformer.numbers, kinds, code.splitlines())))


class _Probes(ast.NodeTransformer):
    """Puts a probe at every attribute that is read; `numbers` has their places."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, int], int] = {}

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        place = (node.end_lineno or 0, node.end_col_offset or 0)
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        number = self.numbers.setdefault(place, len(self.numbers))
        called = ast.Name("_seen", ast.Load())
        return ast.copy_location(
            ast.Call(called, [ast.Constant(number), node.value, ast.Constant(node.attr)], []), node
        )


def _sites(
    tree: ast.AST, numbers: dict[tuple[int, int], int], kinds: dict[int, tuple[str, ...]], lines: Sequence[str]
) -> Iterator[Site]:
    def looked_up(node: ast.expr) -> tuple[str, str] | None:
        number = numbers.get((node.end_lineno or 0, node.end_col_offset or 0))
        what = kinds.get(-1 if number is None else number)
        return None if what is None else (what[0], f"{what[1]}.{what[2]}".rstrip("."))

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            found, line, column = looked_up(node), node.end_lineno or 0, (node.end_col_offset or 0) - len(node.attr)
            if found and not node.attr.startswith("_") and lines[line - 1][column:].startswith(node.attr):
                yield Site("attribute", *found, node.attr, line, column)
        elif isinstance(node, ast.Call):
            found = looked_up(node.func) if isinstance(node.func, ast.Attribute) else None
            for keyword in node.keywords if found else ():
                if keyword.arg and found:
                    yield Site("keyword", *found, keyword.arg, keyword.lineno, keyword.col_offset)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", "") or ""
            for alias in (one for one in node.names if one.name != "*"):
                yield Site("import", "module", module, alias.name, alias.lineno, alias.col_offset)


def changed_name(site: Site, change: str, names: Sequence[str], chance: random.Random) -> str:
    """Another name for a site: slightly misspelt, invented after the usual fashion, or another class's."""
    name = site.name
    if change == "removed":
        candidates = REMOVED.get(site.owner) or REMOVED.get(_shortened(site.owner)) or [""]
        return chance.choice(candidates)
    way = chance.choice(["swap", "drop", "double", "invent", "other", "other"])
    place = chance.randrange(len(name) - 1) if len(name) > 2 else 0
    if way == "swap" and len(name) > 2:
        return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    if way == "drop" and len(name) > 3:
        return name[: place + 1] + name[place + 2 :]
    if way == "double":
        return name[: place + 1] + name[place:]
    if way == "invent":
        forms = ["get_{}", "{}s", "{}_all", "{}_by", "to_{}", "is_{}", "{}_values", "{}ed"]
        return chance.choice(forms).format(name).replace("ss", "s")
    return chance.choice(names)


def _shortened(owner: str) -> str:
    root, _, rest = owner.partition(".")
    last = rest.rpartition(".")[2]
    return f"{root}.{last}" if last[:1].isupper() else owner


def mutate(
    example: Example, group: str, change: str, names: Sequence[str], warm: Warm, chance: random.Random
) -> Snippet | None:
    """The example with one name changed, proven wrong by running it; None where no change of this sort is one."""
    what = "attribute" if change == "removed" else change
    sites = [
        site for site in example.sites if site.what == what and (site.kind == "instance") == (group == "instances")
    ]
    sites = [site for site in sites if site.what == "import" or _belongs(site.owner, example.library)]
    if change == "removed":
        sites = [site for site in sites if site.owner in REMOVED or _shortened(site.owner) in REMOVED]
    if not sites:
        return None
    site = chance.choice(sites)
    wrong = changed_name(site, change, names, chance)
    if (not wrong.isidentifier() and change != "import") or wrong == site.name or wrong.startswith("_"):
        return None
    lines = example.code.splitlines()
    line = lines[site.line - 1]
    lines[site.line - 1] = line[: site.column] + wrong + line[site.column + len(site.name) :]
    code = "\n".join(lines) + "\n"
    canned = _CANNED if example.library == "requests" else ""
    outcome = warm.run(textwrap.dedent(canned) + code, LIMITS)
    error = outcome.stderr.strip().rpartition("\n")[2]
    last = wrong.rpartition(".")[2]
    meant = {
        "attribute": rf"AttributeError: .*'{last}'",
        "keyword": rf"TypeError: .*(unexpected|invalid|no) keyword.*'?{last}'?|TypeError: .*'{last}' is an invalid|"
        rf"TypeError: .*got an unexpected keyword argument",
        "import": rf"(ImportError|ModuleNotFoundError): .*{last}",
    }[what]
    if outcome.reason != "exception" or not re.search(meant, error) or last not in error:
        return None
    return Snippet(example.library, example.symbol, group, code, last, change, site.line, error[:200])


def right(example: Example, group: str) -> Snippet | None:
    """The example as it is, where it has something for the group."""
    fits = [site for site in example.sites if (site.kind == "instance") == (group == "instances")]
    fits = [site for site in fits if site.what != "import" and _belongs(site.owner, example.library)]
    return Snippet(example.library, example.symbol, group, example.code, "", "right") if fits else None


def _belongs(owner: str, library: str) -> bool:
    """Whether a module or class counts as a library's: its own, or the standard library's."""
    root = owner.partition(".")[0]
    return root == library or root in sys.stdlib_module_names
