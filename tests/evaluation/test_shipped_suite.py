"""The suite that comes with Boffin: complete, sound, and far from what the demo trains on."""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray

from curation.leaks import LENGTH
from curation.shingles import BAND, BANDS, PERMUTATIONS, Grams, grams, jaccard, word_count
from evaluation.measures.blocks import python_blocks
from evaluation.suite.checker import Checker
from evaluation.suite.folder import Suite, read_suite
from evaluation.suite.must import completeness
from evaluation.suite.place import SHIPPED
from evaluation.suite.proof import prove, warm_imports
from evaluation.suite.question import CATEGORIES, Question
from symbols.introspect import walk_packages

ROOT = Path(__file__).resolve().parents[2]
CORPUS = sorted((ROOT / "examples" / "corpus").glob("*/*.md"))
COUNTS = dict(zip(CATEGORIES, (30, 20, 25, 15, 10), strict=True))
LIBRARIES = ("requests", "numpy", "pandas", "stdlib")
SIMILARITY = 0.5
"""Jaccard similarity of word 3-grams from which on two texts are near."""


@pytest.fixture(scope="module")
def suite() -> Suite:
    return read_suite(SHIPPED)


def test_it_is_complete(suite: Suite) -> None:
    assert not suite.mistakes and not suite.drafts
    assert Counter(question.category for question in suite.questions) == COUNTS
    assert Counter(question.library for question in suite.questions) == dict.fromkeys(LIBRARIES, 25)
    assert sum(question.check is not None for question in suite.questions) >= 70


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox's walls are Linux's")
def test_every_reference_answer_passes_its_own_checks(suite: Suite) -> None:
    with Checker(imports=warm_imports(suite.questions), strict=True) as checker:
        proofs = prove(suite.questions, checker)
    assert len(proofs) == len(suite.questions) > 0
    assert {proof.question.id: proof.faults for proof in proofs if proof.faults} == {}


WRONG = {
    "pandas-integers-with-gaps": "visits = visits.astype('int64')  # not 'Int64'",
    "pandas-wide-year-columns": "tidy = wide.melt(id_vars='shop')",
    "requests-browser-cookie": "response = requests.get(url)\nprint(response.headers['Cookie'])",
    "requests-private-authority": "# any certificate is unsafe\nrequests.get(url, verify=False)",
    "requests-token-for-one-host": "# every host\nrequests.Session().get('https://httpbin.org/headers')",
    "stdlib-config-error": "from enum import Enum\ntry: tomllib.load(f)\nexcept (OSError, ValueError): raise A",
    "stdlib-heap-ties": "import heapq  # priorities, a counter\nheapq.heappop(jobs)",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_not_complete(suite: Suite, name: str) -> None:
    question = next(question for question in suite.questions if question.id == name)
    assert completeness(question, f"```python\n{WRONG[name]}\n```").share < 1


def test_its_files_are_installed_with_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["*"]
    assert "evaluation*" in settings["packages"]["find"]["include"]
    for file in (*SHIPPED.iterdir(), ROOT / "evaluation" / "suite" / "example.md"):
        assert any(fnmatch(file.name, pattern) for pattern in patterns)


def texts_of(question: Question) -> dict[str, str]:
    """What may not be near anything that is trained on."""
    blocks = python_blocks(question.reference)
    return {
        "question": question.text,
        "question and answer": f"{question.text}\n{question.reference}",
        "code": "\n".join(blocks),
    }


def trained_on() -> list[tuple[str, str]]:
    """The demo's training text: its own pages by section, and the docstrings that the collector reads."""
    found = []
    for page in CORPUS:
        for section in page.read_text(encoding="utf-8").split("\n#"):
            found.append((page.name, section))
            found.extend((f"{page.name}, code", block) for block in python_blocks(section))
    for entry in walk_packages(LIBRARIES):
        found.append((entry.symbol, entry.docstring))
        if ">>>" in entry.docstring:
            lines = (line.strip() for line in entry.docstring.splitlines())
            session = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
            found.append((f"{entry.symbol}, code", "\n".join(session)))
    return found


def sketch(grams: Grams) -> MinHash:
    minhash = MinHash(num_perm=2 * PERMUTATIONS, seed=1, hashfunc=int)
    minhash.update_batch((grams >> np.uint64(32)).tolist())
    return minhash


def among(some: Grams, known: Grams) -> NDArray[np.bool_]:
    """Which of some n-grams stand in a sorted array; many times faster than `numpy.isin` for few against many."""
    return known[np.searchsorted(known, some).clip(max=len(known) - 1)] == some


def near(questions: dict[str, dict[str, str]], training: list[tuple[str, str]]) -> list[str]:
    """Pairs of a question's text and a text trained on that share 13 words in a row, or are alike as a whole."""
    runs: dict[int, str] = {}
    threes: dict[str, Grams] = {}
    index = MinHashLSH(num_perm=2 * PERMUTATIONS, params=(BANDS, BAND))
    for name, texts in questions.items():
        for kind, text in texts.items():
            key = f"{name}, {kind}"
            threes[key] = grams(text, 3)
            index.insert(key, sketch(threes[key]))
            if word_count(text) >= LENGTH:
                runs.update(dict.fromkeys(grams(text, LENGTH).tolist(), key))
    known = np.array(sorted(runs), dtype=np.uint64)
    threes_known = np.unique(np.concatenate([*threes.values()]))
    found = []
    for source, text in training:
        own = grams(text, LENGTH)
        for gram in own[among(own, known)].tolist() if word_count(text) >= LENGTH else ():
            found.append(f"{runs[gram]}: 13 words in a row stand in {source}")
        three = grams(text, 3)
        # Of what is half like a question, at least half the 3-grams stand in some question; the rest needs no sketch.
        if len(three) >= 5 and among(three, threes_known).mean() >= SIMILARITY:
            for key in index.query(sketch(three)):
                if jaccard(three, threes[key]) >= SIMILARITY:
                    found.append(f"{key}: {jaccard(three, threes[key]):.2f} like {source}")
    return sorted(set(found))


def test_it_is_near_nothing_that_the_demo_trains_on(suite: Suite) -> None:
    training = trained_on()
    assert len(training) > 5000 and {"numpy.linspace", "pandas.DataFrame.groupby"} <= {source for source, _ in training}
    questions = {question.id: texts_of(question) for question in suite.questions}
    assert near(questions, training) == []
    # The same measure sees a copy, and a copy with a few words changed.
    place = next(number for number, (source, _) in enumerate(training) if source == "numpy.linspace")
    words = training[place][1].split()
    assert near({"x": {"question": " ".join(words[20:40])}}, training[place : place + 1])
    changed = " ".join(word if number % 12 else "other" for number, word in enumerate(words))
    assert near({"x": {"question": changed}}, training[place : place + 1])
