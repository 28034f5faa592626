"""Code that names what doesn't exist, and code that must not be found fault with."""

from __future__ import annotations

import pytest

from symbols.check import check_code
from symbols.finding import Finding
from symbols.table import SymbolTable


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("import nonesuch", Finding(1, "nonesuch", "no-such-module", "")),
        ("import requets", Finding(1, "requets", "no-such-module", "requests")),
        ("import numpy.linalgg", Finding(1, "numpy.linalgg", "no-such-module", "numpy.linalg")),
        ("from xml.etre import ElementTree", Finding(1, "xml.etre", "no-such-module", "xml.etree")),
        ("from numpy import linspce", Finding(1, "numpy.linspce", "no-such-attribute", "numpy.linspace")),
        ("import numpy as np\nnp.linspce(0, 1)", Finding(2, "numpy.linspce", "no-such-attribute", "numpy.linspace")),
        ("import numpy as np\nnp.linalg.nrm", Finding(2, "numpy.linalg.nrm", "no-such-attribute", "numpy.linalg.norm")),
        (
            "from numpy import linalg as la\nla.nrm([1])",
            Finding(2, "numpy.linalg.nrm", "no-such-attribute", "numpy.linalg.norm"),
        ),
        (
            "import numpy as np\nnp.linspace(0, 1, nums=3)",
            Finding(2, "numpy.linspace(nums)", "no-such-keyword", "num"),
        ),
        ("import json\njson.loads('1').x\njson.lods('1')", Finding(3, "json.lods", "no-such-attribute", "json.loads")),
        ("str.jion", Finding(1, "str.jion", "no-such-attribute", "str.join")),
        ("sorted([], rev=True)", Finding(1, "sorted(rev)", "no-such-keyword", "reverse")),
        (
            "import os\ndef f():\n    return os.path.joined('a')",
            Finding(3, "os.path.joined", "no-such-attribute", "os.path.join"),
        ),
    ],
)
def test_found(table: SymbolTable, code: str, finding: Finding) -> None:
    assert check_code(code, table) == [finding]


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\nprint(np.pi, np.linalg.norm([1]), np.float64(1).real)",
        "import numpy as np\nnp = make()\nnp.whatever(1)",
        "import numpy as np\ndef f(np):\n    return np.whatever",
        "import numpy as np\nfor np in []:\n    np.whatever",
        "import numpy as np\n[np.whatever for np in []]",
        "import json\nwith make('x') as json:\n    json.readlines2()",
        "import json\ntry:\n    pass\nexcept errors as json:\n    json.whatever",
        "import json\nimport numpy as json\njson.linspace(0, 1)",
        "try:\n    import nonesuch\nexcept ImportError:\n    nonesuch = None",
        "import numpy as np\ntry:\n    np.gone\nexcept AttributeError:\n    pass",
        "import numpy as np\nnp.mine = 1",
        "import numpy as np\nnp._core.whatever\nnp.ndarray.__array__",
        "import sqlite3\nsqlite3.whatever(1)",
        "from . import sibling\nsibling.whatever",
        "from numpy import *\nlinspace(0, 1)",
        "from os import *\nstr.whatever",
        "import requests\nrequests.get('u', timeout=3)\nrequests.compat.whatever_else = 1",
        "import json\njson.dumps({}, **options)",
        "import xml.etree.ElementTree as ET\nET.parse('f')",
        "import os.path\nos.path.join('a', 'b')\nos.getcwd()",
        "match x:\n    case [str, *json]:\n        json.whatever",
        "class A:\n    str = 1\nstr.whatever",
    ],
)
def test_no_false_alarm(table: SymbolTable, code: str) -> None:
    assert check_code(code, table) == []


@pytest.mark.parametrize("code", ["def (", "x = '\0'", "(" * 5000])
def test_invalid_code_is_a_syntax_error(table: SymbolTable, code: str) -> None:
    with pytest.raises(SyntaxError):
        check_code(code, table)


def test_findings_come_in_the_order_of_lines(table: SymbolTable) -> None:
    code = "import numpy as np\nnp.zzz\nnp.aaa\nnp.zzz"
    assert [(one.line, one.name) for one in check_code(code, table)] == [
        (2, "numpy.zzz"),
        (3, "numpy.aaa"),
        (4, "numpy.zzz"),
    ]
