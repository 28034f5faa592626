"""What came with an answer: the passages that it rests on, what of it they bear out, and the checks of its code.

It is a stranger's, as the answer is: whoever shows it sanitises it. Knows nothing about where it is kept.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.wire import Citation, CodeCheck, Done, Source

MAX_EVIDENCE = 500_000
"""Characters of it as JSON, beyond which none is kept."""
MAX_CHECKS = 200
"""Code blocks whose checks are kept."""


class Evidence(BaseModel):
    """What came with an answer; empty where nothing did."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sources: tuple[Source, ...] = Field(default=(), max_length=100)
    """What the model read of the documentation."""
    citations: tuple[Citation, ...] = Field(default=(), max_length=1_000)
    """Which sentences of the answer they bear out, by places in its text."""
    checks: tuple[CodeCheck, ...] = Field(default=(), max_length=MAX_CHECKS)
    """What became of its code blocks."""
    repaired: bool = False
    """Whether its code was mended on its way."""

    @classmethod
    def of(cls, done: Done, *, in_place: bool) -> Self:
        """What the end of an answer tells; citations only where its places are those of the text that is kept."""
        try:
            found = cls(
                sources=done.sources,
                citations=done.citations if in_place else (),
                checks=done.checks,
                repaired=done.repaired,
            )
        except ValidationError:
            return cls()
        return found if len(found.model_dump_json()) <= MAX_EVIDENCE else cls()

    @classmethod
    def read(cls, text: str) -> Self:
        """What was kept as JSON; nothing where that is damaged, for the answer counts more."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return cls()

    @property
    def cited(self) -> frozenset[int]:
        """The numbers of the passages that bear something out."""
        return frozenset(citation.number for citation in self.citations)

    def findings(self) -> list[str]:
        """What of the answer's code doesn't exist, a line each."""
        lines = []
        for check in self.checks:
            for finding in check.findings:
                nearest = f"; there is {finding.nearest}" if finding.nearest else ""
                lines.append(f"block {check.block + 1}, line {finding.line}: {finding.name} doesn't exist{nearest}")
        return lines
