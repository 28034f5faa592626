"""Attributes and keywords on instances: what is found, and what must be left alone."""

from __future__ import annotations

import pytest

from symbols.check import check_code
from symbols.introspect import walk_packages
from symbols.table import SymbolTable

FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': [1], 'width': [2]})\n"
WORKSHOP = "from gadgets import workshop\nshop = workshop.open_workshop()\n"


@pytest.fixture(scope="module")
def gadgets(gadgets_python: str) -> SymbolTable:
    walk = walk_packages(["gadgets", "builtins", "collections"], gadgets_python)
    assert list(walk)
    return walk.table


def names(code: str, table: SymbolTable) -> list[str]:
    return [one.name for one in check_code(code, table)]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("', '.jion([])", "str.jion"),
        ("words = ['a']\nfor word in words:\n    word.uper()", "str.uper"),
        ("{}.has_key('a')", "dict.has_key"),
        ("ages = {'a': 1}\nfor name, age in ages.items():\n    name.titel()", "str.titel"),
        ("[1].sort().index", "NoneType.index"),
        ("[name.lowr() for name in 'a b'.split()]", "str.lowr"),
        ("with open('f') as file:\n    for line in file:\n        line.stripp()", "str.stripp"),
        ("try:\n    pass\nexcept ValueError as error:\n    error.mesage", "ValueError.mesage"),
        ("import re\nre.match('a', 'b').grup(1)", "re.Match.grup"),
        ("import re\nfound = re.compile('a')\nfound.sub('a', 'b', cuont=1)", "re.Pattern.sub(cuont)"),
        ("from pathlib import Path\n(Path('a') / 'b').parent.exist()", "pathlib.Path.exist"),
        (
            "import datetime as dt\n(dt.datetime.now() - dt.datetime.now()).total_second()",
            "datetime.timedelta.total_second",
        ),
        ("import json\ndef f(text: str):\n    text.splitt()", "str.splitt"),
        ("import numpy as np\narr = np.arange(6).reshape(2, 3)\narr.sum(axes=0)", "numpy.ndarray.sum(axes)"),
        ("import numpy as np\n(2 * np.zeros(3)).itemset(0)", "numpy.ndarray.itemset"),
        ("import numpy as np\nnp.float(1)", "numpy.float"),
        ("import numpy as np\nnp.add.redcue([1])", "numpy.ufunc.redcue"),
        ("import numpy as np\nnp.random.default_rng(0).rand(3)", "numpy.random._generator.Generator.rand"),
        ("import requests\nresponse = requests.get('u')\nresponse.jsn()", "requests.models.Response.jsn"),
        ("import requests\nrequests.get('u').headers.gett('x')", "requests.structures.CaseInsensitiveDict.gett"),
        ("import requests\nrequests.get('u', time_out=3)", "requests.get(time_out)"),
        (
            "import requests\nwith requests.Session() as s:\n    s.post('u', jsn={})",
            "requests.sessions.Session.post(jsn)",
        ),
        (FRAME + "df.append(df)", "pandas.DataFrame.append"),
        (FRAME + "df.vales", "pandas.DataFrame.vales"),
        (FRAME + "df.groupby('a').meen()", "pandas.api.typing.DataFrameGroupBy.meen"),
        (FRAME + "df['a'].iteritems()", "pandas.Series.iteritems"),
        (FRAME + "df.head().sort_values(bye='a')", "pandas.DataFrame.sort_values(bye)"),
        ("import pandas as pd\npd.Series(['a']).str.uper()", "pandas.core.strings.accessor.StringMethods.uper"),
    ],
)
def test_found_on_instances(table: SymbolTable, code: str, name: str) -> None:
    assert names(code, table) == [name]


@pytest.mark.parametrize(
    "code",
    [
        FRAME + "df.width.mean()\ndf.a",
        FRAME + "df.assign(height=1).height",
        "import pandas as pd\ndf = pd.read_csv('f')\ndf.price",
        "import pandas as pd\ndef f(rows):\n    return pd.DataFrame(rows).price",
        FRAME + "df.describe().T.std()",
        "import pandas as pd\npd.Index(['2020'], dtype='datetime64[ns]').year",
        "import numpy as np\nx = np.zeros(2).view(np.recarray)\nx.field_of_mine",
        "import numpy as np\nnp.matrix([[1]]).getH()",
        "import requests\nrequests.codes.teapot",
        "import requests\nr = requests.get('u')\nr.mine = 1\nr.mine",
        "import requests\nr = requests.get('u')\nif hasattr(r, 'mine'):\n    r.mine",
        "import requests\nr = requests.get('u')\ntry:\n    r.whatever\nexcept AttributeError:\n    pass",
        "import contextlib\nwith contextlib.suppress(AttributeError):\n    ''.whatever",
        "import pytest\nwith pytest.raises(AttributeError):\n    ''.whatever",
        "import types\nthing = types.SimpleNamespace(a=1)\nthing.a",
        "from collections import namedtuple\nPoint = namedtuple('Point', 'x y')\nPoint(1, 2).x",
        "class A:\n    pass\nA().whatever\nself = A()\nself.x",
        "x = ''\nwhile x:\n    x = make(x)\nx.whatever",
        "x = ''\nif y:\n    x = make()\nx.whatever",
        "x = ''\nfor x in make():\n    x.whatever",
        "x = ''\ndef f():\n    global x\n    x = make()\nf()\nx.whatever",
        "x = ''\ndef outer():\n    x = make()\n    def inner():\n        x.whatever\n    return inner",
        "x = ''\n[lambda: x.whatever for x in make()]",
        "x = ''\ntry:\n    x = make()\n    x = ''\nexcept ValueError:\n    x.whatever",
        "x = ''\ndef f():\n    x.whatever\nx = make()\nf()",
        "x = ''\ndel x\nx, *y = make()\nx.whatever",
        "match make():\n    case str() as x:\n        x.upper()\n    case x:\n        x.whatever",
        "from unittest.mock import Mock\nMock().whatever()",
        "async def f():\n    async with make() as x:\n        x.whatever\n    (await make()).whatever",
        "lambda x='': x.whatever",
        "import json\njson.loads('1').whatever",
        "''.format(whatever=1)\n'{a}'.format(**x)",
        "''._whatever\n''.__class__",
    ],
)
def test_what_can_not_be_told_is_left_alone(table: SymbolTable, code: str) -> None:
    assert names(code, table) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("shop.wheel().stop(gently=False)", []),
        ("shop.wheel().stop(gentle=False)", ["gadgets._parts.Wheel.stop(gentle)"]),
        ("shop.wheel().halt()", ["gadgets._parts.Wheel.halt"]),
        (
            "for size, wheels in shop.wheels_by_size().items():\n    size.uper()\n    wheels[0].halt()",
            ["str.uper", "gadgets._parts.Wheel.halt"],
        ),
        ("shop.broken().halt()", ["gadgets._parts.BrokenGadget.halt"]),
        ("shop.copy().copy().wheell", ["gadgets.workshop.Workshop.wheell"]),
        ("shop.wheels.append(1)\nshop.name.upper()", []),
        ("shop.name.uper()", ["str.uper"]),
        ("shop.extra()", []),
        ("workshop.Workshop().extra()", ["gadgets.workshop.Workshop.extra"]),
        ("shop.spin(1, turns=2, fast=False)", []),
        ("shop.spin(1, turn=2)", ["gadgets.workshop.Workshop.spin(turn)"]),
        ("workshop.Anything().whatever()\nworkshop.Filled(a=1).a", []),
        ("radius, parts = workshop.measure(1)\nradius.is_integer()\nparts.halt()", ["gadgets._parts.Wheel.halt"]),
        ("workshop.measure(1).radius", []),
    ],
)
def test_types_come_from_annotations_docstrings_and_code(gadgets: SymbolTable, code: str, found: list[str]) -> None:
    assert names(WORKSHOP + code, gadgets) == found


def test_a_finding_says_where_and_what_is_near(table: SymbolTable) -> None:
    (one,) = check_code("x = (\n    'a'\n    .uper()\n)", table)
    assert (one.line, one.problem, one.nearest) == (3, "no-such-attribute", "str.upper")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("x = list(zip(x, x))", "list"),
        ("x = {1: x, 2: [x]}", "dict"),
        ("x = x, [x]", "tuple"),
        ("x = [x, [x]]", "list"),
    ],
)
def test_a_type_that_doubles_with_each_line_stays_small(table: SymbolTable, line: str, kind: str) -> None:
    assert names("\n".join(["x = [1]", *[line] * 60, "x.nothing"]), table) == [f"{kind}.nothing"]


def test_deeply_nested_code_is_a_syntax_error(table: SymbolTable) -> None:
    with pytest.raises(SyntaxError):
        check_code("x = " + "+".join(["1"] * 20_000), table)
