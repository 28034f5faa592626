"""Which questions of a suite are asked: those about the dataset's libraries or none, as many as the settings say.

Knows nothing about who answers them.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path

from evaluation.suite.folder import load_suite
from evaluation.suite.question import CATEGORIES, GENERAL, Question

STDLIB = "stdlib"


def draw_suite(suite: Path, libraries: Container[str], count: int, seed: int) -> tuple[list[Question], int]:
    """Draw `count` questions about these libraries or none, from each category its share; all where there are fewer.

    A check whose library isn't installed here is left out.

    Returns:
        The drawn questions by their id, and how many there were to draw from.

    Raises:
        SuiteError: the suite is missing, or a file of it can't be used.
    """
    fit = [one for one in load_suite(suite).questions if one.library in libraries or one.library == GENERAL]
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


def _runnable(question: Question) -> Question:
    if question.check is None or question.library in (STDLIB, GENERAL) or importlib.util.find_spec(question.library):
        return question
    return replace(question, check=None)
