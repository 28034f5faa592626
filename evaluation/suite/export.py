"""A suite as a task folder for lm-evaluation-harness (0.4.9 or later): a group with a task a category.

The folder can be moved, and needs no network: its questions lie in it, in a suite's own form, and its `utils.py` hands
each answer to `examiner.py` of the Boffin that is installed beside the harness. Knows nothing about how answers are
judged; never imports the harness.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from bundle.atomic import atomic_open, write_text
from bundle.digests import digest_file
from bundle.errors import SuiteError
from evaluation.settings import EvaluationSettings
from evaluation.suite.examiner import COMPLETE, PASSES, VALID
from evaluation.suite.fields import fields_of
from evaluation.suite.folder import load_suite
from evaluation.suite.place import make_folder
from evaluation.suite.question import CATEGORIES

QUESTIONS = "questions.jsonl"
_UTILS = f'''\
"""Asks and grades a suite of Boffin's, which has to be installed in the same environment."""

import atexit
from pathlib import Path

import datasets

from evaluation.suite.examiner import Examiner

examiner = Examiner(Path(__file__).with_name("{QUESTIONS}"))
atexit.register(examiner.close)


def questions(category, **_):
    return {{"test": datasets.Dataset.from_list(examiner.rows(category))}}


def process_results(doc, results):
    return examiner.grade(doc["id"], results[0] or "")
'''
_GROUP = """\
# lm_eval --model local-chat-completions --apply_chat_template --include_path THIS_FOLDER --tasks {group} \\
#   --model_args model=NAME,base_url=http://127.0.0.1:PORT/v1/chat/completions
group: {group}
task:
{tasks}
aggregate_metric_list:
{metrics}
metadata:
  version: 1.0
"""
_TASK = """\
task: {task}
task_alias: {category}
custom_dataset: !function utils.questions
dataset_kwargs:
  category: {category}
test_split: test
output_type: generate_until
num_fewshot: 0
doc_to_text: question
doc_to_target: reference
generation_kwargs:
  until: []
  do_sample: false
  temperature: 0.0
  max_gen_toks: {tokens}
process_results: !function utils.process_results
metric_list:
{metrics}
metadata:
  version: 1.0
  questions: sha256 {digest}
"""


def export_suite(suite: Path, folder: Path) -> str:
    """Write the task folder of a suite; returns the name of its group.

    Raises:
        SuiteError: the suite is missing, something in it can't be used, or the folder has something in it or can't be.
    """
    questions = load_suite(suite).questions
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SuiteError(f"{folder}: is there already; name a folder that is empty or doesn't exist")
    make_folder(folder)
    with atomic_open(folder / QUESTIONS) as handle:
        handle.writelines(json.dumps(fields_of(question), ensure_ascii=False) + "\n" for question in questions)
    write_text(folder / "utils.py", _UTILS)

    group = "_".join(["boffin", *re.findall(r"[a-z0-9]+", suite.resolve().name.partition(".")[0].lower())])
    categories = [category for category in CATEGORIES if any(one.category == category for one in questions)]
    tasks = {f"{group}_{category.replace('-', '_')}": category for category in categories}
    digest = digest_file(folder / QUESTIONS)
    tokens = EvaluationSettings().max_tokens
    metrics = _metrics((VALID, COMPLETE, PASSES), "higher_is_better")
    for task, category in tasks.items():
        text = _TASK.format(task=task, category=category, tokens=tokens, metrics=metrics, digest=digest)
        write_text(folder / f"{task}.yaml", text)
    # The harness weighs every metric by all questions of a task, which is wrong for one that some of them don't have.
    summed = (VALID, COMPLETE, PASSES) if all(question.check for question in questions) else (VALID, COMPLETE)
    names = "\n".join(f"  - {task}" for task in tasks)
    write_text(
        folder / f"{group}.yaml",
        _GROUP.format(group=group, tasks=names, metrics=_metrics(summed, "weight_by_size")),
    )
    return group


def _metrics(names: Iterable[str], flag: str) -> str:
    return "\n".join(f"  - metric: {name}\n    aggregation: mean\n    {flag}: true" for name in names)
