"""Votes as preferences that the trainer reads: a bad answer with the better one that was written for it, and a good
answer beside a bad one to the same question.

A pair's question is the user's only message, so only first questions make pairs: an answer to a later one hangs on
what was said before. Knows nothing about training.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from appliance.conversations.store import Store
from bundle.atomic import write_text
from bundle.errors import ConversationError, explain_os_error
from bundle.preferences import Preference, read_preferences

_WRITTEN = """
SELECT question.text AS prompt, answer.better AS chosen, answer.text AS rejected, answer.model, answer.voted
FROM message answer JOIN message question ON question.id = answer.parent
JOIN conversation ON conversation.id = answer.conversation
WHERE question.parent IS NULL AND answer.vote = -1 AND conversation.deleted IS NULL ORDER BY answer.id
"""
_COMPARED = """
SELECT question.text AS prompt, good.text AS chosen, bad.text AS rejected, good.model,
    max(good.voted, bad.voted) AS voted
FROM message good JOIN message bad ON bad.parent = good.parent AND bad.vote = -1
JOIN message question ON question.id = good.parent
JOIN conversation ON conversation.id = good.conversation
WHERE question.parent IS NULL AND good.vote = 1 AND conversation.deleted IS NULL ORDER BY good.id, bad.id
"""


def preferences(store: Store, model: str) -> Iterator[Preference]:
    """The pairs that the votes on one expert's answers make."""
    for row in store.rows(_WRITTEN) + store.rows(_COMPARED):
        texts = {row["prompt"].strip(), row["chosen"].strip(), row["rejected"].strip()}
        if row["model"] == model and len(texts) == 3 and "" not in texts:
            when = datetime.fromtimestamp(row["voted"], UTC) if row["voted"] else None
            yield Preference(
                prompt=row["prompt"], chosen=row["chosen"], rejected=row["rejected"], model=row["model"], when=when
            )


def save_preferences(store: Store, model: str, path: Path) -> int:
    """Add the pairs that a file of preferences does not have yet; returns how many. Its other lines stay as they are.

    Raises:
        DatasetError: a line of the file is damaged.
        ConversationError: it can't be written.
    """
    # The transaction keeps other windows from reading the file before this one has written it.
    with store.writing():
        there = [preference for _, preference in read_preferences(path)] if path.exists() else []
        known = {_pair(preference) for preference in there}
        new = []
        for preference in preferences(store, model):
            if _pair(preference) not in known:
                known.add(_pair(preference))
                new.append(preference)
        if new:
            before = path.read_text(encoding="utf-8") if path.exists() else ""
            lines = [preference.model_dump_json() + "\n" for preference in new]
            gap = "\n" if before and not before.endswith("\n") else ""
            try:
                write_text(path, before + gap + "".join(lines))
            except OSError as error:
                said = explain_os_error(error, path) or f"{path}: {(error.strerror or '').lower()}"
                raise ConversationError(said) from None
    return len(new)


def _pair(preference: Preference) -> tuple[str, str, str]:
    return preference.prompt, preference.chosen, preference.rejected
