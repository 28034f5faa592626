"""Which questions of a suite are asked: those about the dataset's libraries or none, as many as the settings say.

Libraries are compared as PEP 503 compares distributions: PyYAML is pyyaml. Knows nothing about who answers them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from evaluation.suite.folder import load_suite
from evaluation.suite.proof import wanted_imports, warm_imports
from evaluation.suite.question import CATEGORIES, GENERAL, Question

STDLIB = "stdlib"


def draw_suite(suite: Path, libraries: Iterable[str], count: int, seed: int) -> tuple[list[Question], int]:
    """Draw `count` questions about these libraries or none, from each category its share; all where there are fewer.

    A check is left out where its own code, or that of the reference answer, imports what isn't installed here.

    Returns:
        The drawn questions by their id, and how many there were to draw from.

    Raises:
        SuiteError: the suite is missing, or a file of it can't be used.
    """
    wanted = {_normalised(library) for library in libraries} | {GENERAL}
    fit = [question for question in load_suite(suite).questions if _normalised(question.library) in wanted]
    chosen = sorted(_chosen(fit, count, seed), key=lambda question: question.id)
    return [_runnable(question) for question in chosen], len(fit)


def _chosen(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    """One of each category in turn: at any place the categories have their shares of what was taken so far."""
    generator = random.Random(seed)
    places: list[tuple[float, int, Question]] = []
    for number, category in enumerate(CATEGORIES):
        own = [question for question in questions if question.category == category]
        generator.shuffle(own)
        places += [((place + 0.5) / len(own), number, question) for place, question in enumerate(own)]
    return [question for _, _, question in sorted(places, key=lambda place: place[:2])[:count]]


def _normalised(library: str) -> str:
    return re.sub(r"[-_.]+", "-", library).lower()


def _runnable(question: Question) -> Question:
    lacking = question.check and set(wanted_imports([question])) - set(warm_imports([question]))
    return replace(question, check=None) if lacking else question
