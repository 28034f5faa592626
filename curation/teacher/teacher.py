"""Rewrites records by a model, after their code was verified; every reply is kept on the disk.

What was answered before is not asked again, in this run or another, nor after a kill. The cost counts all the replies
that are used, those of earlier runs too, so that a run that was cut off and goes on stays below the same bound. Knows
nothing about what comes after: the records are judged as if nobody had rewritten them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from bundle.digests import digest_value
from bundle.records import Record
from bundle.stage import Progress
from curation.settings import Teacher as TeacherSettings
from curation.teacher.endpoint import Endpoint, Reply
from curation.teacher.wording import SYSTEM, Refused, Wording, prompt, read_reply, reworded, wording_of
from curation.verify.store import Store

AT_ONCE = 4
"""Requests that are under way at the same time."""


class Teacher:
    """A teacher; a context manager."""

    def __init__(self, settings: TeacherSettings, cache: Path) -> None:
        """`cache` is the folder for what it answers.

        Raises:
            SourceError: the settings' address is none.
        """
        self._settings = settings
        self._endpoint = Endpoint(settings)
        self._store = Store(cache / "replies.sqlite")
        self.rewritten = 0
        """Records that have new words."""
        self.dollars = 0.0
        """What the replies cost, those that earlier runs asked for too."""
        self.asked = 0
        """Requests that were made now."""
        self.refused: Counter[str] = Counter()
        """Replies that were not taken, by reason."""
        self._stopped = False

    def __enter__(self) -> Teacher:
        return self

    def __exit__(self, *_: object) -> None:
        self._endpoint.close()
        self._store.__exit__()

    @property
    def notes(self) -> list[str]:
        """What it did, in lines worth reading."""
        kept = ", ".join(f"{reason} {count:,}" for reason, count in self.refused.most_common())
        lines = [f"the teacher rewrote {self.rewritten:,} records for ${self.dollars:.2f}, {self.asked:,} asked now"]
        if kept:
            lines.append(f"what the teacher wrote for {self.refused.total():,} others was not taken: {kept}")
        if self._stopped:
            bound = self._settings.max_dollars
            lines.append(f"the teacher stopped at ${bound:.2f}; raise curation.teacher.max_dollars for the rest")
        return lines

    def rewrite(self, records: Sequence[Record], progress: Progress) -> Iterator[Record]:
        """Yield the records in their order, in new words where there are any.

        Raises:
            SourceError: the endpoint doesn't answer, refuses, or isn't one; what it answered so far is kept.
        """
        rest, done = iter(records), 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while batch := list(islice(rest, AT_ONCE)):
                wordings = [self._wording(record) for record in batch]
                bodies = [
                    self._endpoint.body(SYSTEM, prompt(record, wording)) if wording else None
                    for record, wording in zip(batch, wordings, strict=True)
                ]
                replies = self._replies(pool, bodies)
                for record, wording, reply in zip(batch, wordings, replies, strict=True):
                    yield self._taken(record, wording, reply) if wording and reply else record
                done += len(batch)
                progress("rewriting records", done, len(records), "records")

    def _wording(self, record: Record) -> Wording | None:
        """What is to be rewritten; nothing of the user's own records, and of those beyond the share or the bound."""
        bound = self._settings.max_dollars
        self._stopped = self._stopped or (self._priced and self.dollars >= bound)
        drawn = int(digest_value([record.instruction, record.output])[:8], 16) / 2**32
        if self._stopped or record.provenance.kind == "record" or drawn >= self._settings.share:
            return None
        return wording_of(record)

    @property
    def _priced(self) -> bool:
        return bool(self._settings.dollars_per_million_in or self._settings.dollars_per_million_out)

    def _replies(self, pool: ThreadPoolExecutor, bodies: Sequence[dict[str, object] | None]) -> list[Reply | None]:
        keys = [digest_value([self._settings.url, body]) if body else "" for body in bodies]
        known = self._store.get([key for key in keys if key])
        found = {key: Reply.model_validate_json(value) for key, value in known.items()}
        missing = {key: body for key, body in zip(keys, bodies, strict=True) if body and key not in found}
        waiting = {key: pool.submit(self._endpoint.ask, body) for key, body in missing.items()}
        try:
            for key, future in waiting.items():
                found[key] = future.result()
                self._store.put({key: found[key].model_dump_json()})
                self.asked += 1
        except KeyboardInterrupt:
            self._endpoint.close()
            raise
        finally:
            # Where one failed: the others' replies are paid for, and kept.
            for key, future in waiting.items():
                if key not in found and future.exception() is None:
                    self._store.put({key: future.result().model_dump_json()})
        return [found.get(key) for key in keys]

    def _taken(self, record: Record, wording: Wording, reply: Reply) -> Record:
        prices = self._settings.dollars_per_million_in, self._settings.dollars_per_million_out
        self.dollars += (reply.tokens_in * prices[0] + reply.tokens_out * prices[1]) / 1_000_000
        try:
            new = read_reply(reply.content, record, wording)
        except Refused as error:
            self.refused[str(error)] += 1
            return record
        self.rewritten += 1
        return reworded(record, new)
