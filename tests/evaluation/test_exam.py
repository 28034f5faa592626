"""The suite put to candidates, from the folder to the report."""

import json
import re

import pytest

from bundle.errors import SuiteError
from bundle.stage import silent
from evaluation.candidate import Candidate
from evaluation.report import load_report
from evaluation.settings import EvaluationSettings
from evaluation.stage import run
from evaluation.suite.draw import draw_suite

QUESTION = """\
---
category: {category}
library: {library}
must:
  - symbol: json.dumps
    keywords: [indent]
  - idea: indentation
    any: [indent]
---
Question {number}?

## Reference answer

```python
import json
print(json.dumps({{"a": 1}}, indent=2))
```
"""
CHECK = """
## Check

```python after
assert '"a"' in output
```
"""
GOOD = "Use indent.\n\n```python\nimport json\nprint(json.dumps({'a': 1}, indent=2))\n```"
BAD = "```python\nimport json\nprint(json.dumpz(1))\n```"


@pytest.fixture
def suite(tmp_path):
    folder = tmp_path / "suite"
    folder.mkdir()
    categories = ["basic-usage"] * 4 + ["performance"] * 2
    for number, category in enumerate(categories):
        text = QUESTION.format(category=category, library="stdlib", number=number) + (CHECK if number % 2 else "")
        (folder / f"stdlib-{number}.md").write_text(text)
    (folder / "requests-0.md").write_text(QUESTION.format(category="performance", library="requests", number=99))
    return folder


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_the_suite_is_asked_judged_and_reported(make_endpoint, make_dataset, template, replies, suite, out):
    base, tuned = make_endpoint(), make_endpoint()
    base.chat = lambda body: replies[0](BAD, tokens=10)
    tuned.chat = lambda body: replies[0](GOOD, tokens=10)
    candidates = [Candidate("base", base.url, "b"), Candidate("tuned", tuned.url, "t")]
    result = run(EvaluationSettings(), template, candidates, make_dataset(4), out, silent, suite)

    report = load_report(out)
    means = {name: {metric: one.mean for metric, one in own.items()} for name, own in report.candidates.items()}
    assert means["base"] | {"suite_valid_python": 1, "suite_existing_symbols": 0} == means["base"]
    assert means["base"] | {"suite_complete": 0, "suite_passes": 0, "suite_ends_by_itself": 1} == means["base"]
    assert means["tuned"].pop("suite_deprecated") == 0
    assert all(means["tuned"][metric] == 1 for metric in means["tuned"] if metric.startswith("suite_"))
    assert report.pairs["suite_passes"].difference == 1 and report.pairs["suite_passes"].p == 2 / 2**3
    assert report.pairs["suite_complete"].p == 2 / 2**6
    assert report.suite and (report.suite.questions, report.suite.available, report.suite.checked) == (6, 6, 3)
    assert set(report.suite.by["category"]) == {"basic-usage", "performance"} and set(report.suite.by["library"]) == {
        "stdlib"
    }
    assert report.suite.by["category"]["performance"]["tuned"]["suite_passes"].mean == 1
    assert result.came_in == "4 of 4 held-out records, 6 of 6 of the suite, 2 candidates"

    asked = [body["messages"][0]["content"] for body in tuned.bodies("/v1/chat/completions")]
    assert asked.count("Question 3?") == 1 and "Question 99?" not in asked
    lines = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    checks = [(line["check"], line["missing"]) for line in lines if line["set"] == "suite" and line["id"] == "stdlib-1"]
    assert checks[0] == ("error", ["symbol json.dumps with indent", "idea “indentation”"])
    assert checks[1] == ("passed", [])
    page = (out / "report.md").read_text()
    assert "| performance | 100 → 100 % | 0 → 100 % | 0 → 100 % | 0 → 100 % | 100 → 100 % |" in page
    assert "## Where tuned gained most" in page and "## Where tuned lost most" not in page
    assert "tuned gained on 6 questions and lost on 0." in page and re.search(r"### 1\. stdlib-\d, \+\d\.\d\d\n", page)
    html = (out / "report.html").read_text()
    assert "Where tuned gained most" in html and html.count("<svg") == 6 and "json.dumpz(1)" in html


def test_each_category_has_its_share_of_the_draw(suite):
    drawn, available = draw_suite(suite, {"stdlib"}, 3, seed=0)
    assert available == 6
    assert sorted(question.category for question in drawn) == ["basic-usage", "basic-usage", "performance"]
    assert drawn == draw_suite(suite, {"stdlib"}, 3, seed=0)[0]
    assert {tuple(draw_suite(suite, {"stdlib"}, 3, seed=seed)[0]) for seed in range(9)} != {tuple(drawn)}


@pytest.mark.parametrize(
    ("library", "code", "packages", "checked"),
    [
        ("pyyaml", "import yaml", ("PyYAML",), [True]),
        ("ruamel.yaml", "import json", ("ruamel_yaml",), [True]),
        ("zope-interface", "import json.decoder", ("zope.interface", "other"), [True]),
        ("pyyaml", "import yaml, nosuchlib", ("PyYAML",), [False]),
        ("stdlib", "import nosuchlib", ("stdlib",), [False]),
        ("stdlib", "from __main__ import x", ("stdlib",), [True]),
        ("pyyaml", "import yaml", ("yaml", "PyYAML-Extra"), []),
    ],
)
def test_a_library_goes_by_its_distribution_and_a_check_by_its_imports(tmp_path, library, code, packages, checked):
    text = QUESTION.format(category="performance", library=library, number=1) + CHECK
    name = re.sub(r"[._]", "-", library)
    (tmp_path / f"{name}-0.md").write_text(text.replace("import json\n", f"{code}\n"))
    drawn, available = draw_suite(tmp_path, packages, 9, seed=0)
    assert available == len(drawn) and [question.check is not None for question in drawn] == checked


def test_nothing_is_asked_about_other_libraries(make_endpoint, make_dataset, template, suite, out):
    for path in suite.glob("stdlib-*"):
        path.unlink()
    endpoint = make_endpoint()
    candidates = [Candidate("one", endpoint.url, "b")]
    result = run(EvaluationSettings(), template, candidates, make_dataset(2), out, silent, suite)
    report = load_report(out)
    assert report.suite is None and len(endpoint.bodies("/v1/chat/completions")) == 2
    assert result.notes == ("no question of the suite is about stdlib: it was not asked",)


def test_a_faulty_suite_stops_it_before_anything_is_asked(make_endpoint, make_dataset, template, suite, out):
    (suite / "stdlib-1.md").write_text("---\ncategory: none\n---\n")
    endpoint = make_endpoint()
    with pytest.raises(SuiteError, match=r"stdlib-1\.md"):
        run(EvaluationSettings(), template, [Candidate("one", endpoint.url, "b")], make_dataset(2), out, silent, suite)
    assert not endpoint.requests
