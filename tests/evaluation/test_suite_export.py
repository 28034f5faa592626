"""A suite as a task folder for lm-evaluation-harness: what lies in it, how it grades, and the harness itself."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from bundle.errors import EvaluationError, SuiteError
from evaluation.suite.examiner import Examiner
from evaluation.suite.export import export_suite
from evaluation.suite.folder import load_suite

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox's walls are Linux's")
ROOT = Path(__file__).resolve().parents[2]
QUESTION = """\
- id: stdlib-{number}
  category: {category}
  library: stdlib
  question: "Question {number}: how do I print “a, b”?"
  must:
  - symbol: print
  - idea: a separator
    any: [sep]
  reference: |
    With `sep`:

    ```python
    print("a", "b", sep=", ")
    ```
"""
CHECK = "  check: {after: \"assert output == 'a, b\\\\n'\"}\n"
GOOD = 'With `sep`:\n\n```python\nprint("a", "b", sep=", ")\n```'
WRONG = "```python\nprint('a b')\n```"
BROKEN = "```python\nprint(\n```"


def write_suite(path: Path, categories: dict[str, bool]) -> Path:
    """A suite with a question a category, some with a check."""
    path.write_text(
        "".join(
            QUESTION.format(number=number, category=category) + (CHECK if checked else "")
            for number, (category, checked) in enumerate(categories.items())
        )
    )
    return path


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_suite(tmp_path / "My-suite.yaml", {"basic-usage": True, "performance": True})


class _Loader(yaml.SafeLoader):
    """Reads `!function utils.name` as the harness's own loader does before it looks the function up."""


_Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def read_tasks(folder: Path) -> dict[str, dict[str, Any]]:
    found = [yaml.load(path.read_text(), _Loader) for path in sorted(folder.glob("*.yaml"))]
    return {one.get("group") or one["task"]: one for one in found}


@pytest.fixture
def utils(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The exported folder's module, loaded by path as the harness does, with a stand-in for the one package of its."""
    export_suite(suite, tmp_path / "tasks")
    stand_in = ModuleType("datasets")
    vars(stand_in)["Dataset"] = type("Dataset", (), {"from_list": staticmethod(list)})
    monkeypatch.setitem(sys.modules, "datasets", stand_in)
    spec = importlib.util.spec_from_file_location(
        "exported_utils", (tmp_path / "tasks").rename(tmp_path / "b") / "utils.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    module.examiner.close()


def test_the_folder_has_a_group_and_a_task_a_category(suite: Path, tmp_path: Path) -> None:
    assert export_suite(suite, tmp_path / "tasks") == "boffin_my_suite"
    tasks = read_tasks(tmp_path / "tasks")
    group = tasks.pop("boffin_my_suite")
    assert group["task"] == [*tasks] == ["boffin_my_suite_basic_usage", "boffin_my_suite_performance"]
    assert [one["metric"] for one in group["aggregate_metric_list"]] == ["valid_python", "complete", "passes"]
    task = tasks["boffin_my_suite_performance"]
    assert task["dataset_kwargs"] == {"category": "performance"} and task["test_split"] == "test"
    assert task["custom_dataset"] == "utils.questions" and task["process_results"] == "utils.process_results"
    assert task["generation_kwargs"]["until"] == [] and task["output_type"] == "generate_until"
    assert load_suite(tmp_path / "tasks" / "questions.jsonl") == load_suite(suite)


def test_what_some_questions_lack_is_not_summed_up(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite.yaml", {"basic-usage": True, "performance": False})
    export_suite(suite, tmp_path / "tasks")
    group = read_tasks(tmp_path / "tasks")["boffin_suite"]
    assert [one["metric"] for one in group["aggregate_metric_list"]] == ["valid_python", "complete"]


def test_nothing_is_overwritten(suite: Path, tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    export_suite(suite, tmp_path / "tasks")
    for place in (tmp_path / "tasks", suite):
        with pytest.raises(SuiteError, match="is there already"):
            export_suite(suite, place)


@linux
def test_its_functions_ask_and_grade(utils: ModuleType) -> None:
    (row,) = utils.questions(category="performance", version=1.0)["test"]
    assert row == {"id": "stdlib-1", "question": "Question 1: how do I print “a, b”?", "reference": GOOD}
    assert utils.process_results(row, [GOOD]) == {"valid_python": 1, "complete": 1, "passes": 1}
    assert utils.process_results(row, [WRONG]) == {"valid_python": 1, "complete": 0.5, "passes": 0}
    assert utils.process_results(row, [BROKEN]) == {"valid_python": 0, "complete": 0, "passes": 0}
    assert utils.process_results(row, [None]) == {"valid_python": 0, "complete": 0, "passes": 0}


@linux
def test_a_question_without_a_check_has_no_pass(tmp_path: Path) -> None:
    examiner = Examiner(write_suite(tmp_path / "suite.yaml", {"performance": False}))
    assert examiner.grade("stdlib-0", GOOD) == {"valid_python": 1, "complete": 1}
    examiner.close()


def test_a_library_that_is_missing_is_told_before_anything_is_asked(suite: Path) -> None:
    suite.write_text(suite.read_text().replace("print(", "import nosuchlib; print("))
    with pytest.raises(EvaluationError, match="need what isn't installed here: nosuchlib"):
        Examiner(suite)


@linux
@pytest.mark.skipif(not importlib.util.find_spec("lm_eval"), reason="lm-evaluation-harness is not installed")
def test_the_harness_runs_it(suite: Path, tmp_path: Path, make_endpoint: Callable[[], Any], replies: Any) -> None:
    endpoint = make_endpoint()
    endpoint.chat = lambda body: replies[0](GOOD if "Question 1" in body["messages"][-1]["content"] else WRONG)
    export_suite(suite, tmp_path / "tasks")
    command = [
        *(sys.executable, "-m", "lm_eval", "--model", "local-chat-completions", "--apply_chat_template"),
        *("--model_args", f"model=any,base_url={endpoint.url}/v1/chat/completions,num_concurrent=1"),
        *("--include_path", str(tmp_path / "tasks"), "--tasks", "boffin_my_suite"),
        *("--output_path", str(tmp_path / "results.json"), "--log_samples"),
    ]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
    }  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    (file,) = tmp_path.glob("**/results*.json")
    results = json.loads(file.read_text())["results"]
    values = {
        name: [results[name][f"{metric},none"] for metric in ("valid_python", "complete", "passes")] for name in results
    }
    assert values == {
        "boffin_my_suite": [1, 0.75, 0.5],
        "boffin_my_suite_basic_usage": [1, 0.5, 0],
        "boffin_my_suite_performance": [1, 1, 1],
    }
    body = endpoint.bodies("/v1/chat/completions")[0]
    assert body["max_tokens"] == 512 and body["temperature"] == 0 and len(body["messages"]) == 1
