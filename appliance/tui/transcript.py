"""The conversation as data: its turns, and the messages that the next question is sent with.

Knows nothing about Textual, HTTP or the disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from markdown_it import MarkdownIt


@dataclass
class Turn:
    """A question and what came as its answer; an answer that was stopped or cut off is kept as far as it came."""

    question: str
    answer: str = ""


@dataclass
class Transcript:
    """The turns of one conversation, the oldest first."""

    turns: list[Turn] = field(default_factory=list)

    def ask(self, question: str) -> Turn:
        """Begin a turn."""
        turn = Turn(question)
        self.turns.append(turn)
        return turn

    def messages(self) -> list[dict[str, str]]:
        """What the model is sent: the turns that got an answer, then the last question."""
        messages = []
        for turn in self.turns[:-1]:
            if turn.answer:
                messages.append({"role": "user", "content": turn.question})
                messages.append({"role": "assistant", "content": turn.answer})
        return [*messages, *({"role": "user", "content": turn.question} for turn in self.turns[-1:])]

    def last_code(self) -> str:
        """The newest code block of all answers, without its fence; empty where there is none."""
        return next((code for turn in reversed(self.turns) if (code := last_code_block(turn.answer))), "")


def last_code_block(markdown: str) -> str:
    """The last code block of a Markdown text, an unfinished one too; empty where there is none."""
    blocks = [token.content for token in MarkdownIt().parse(markdown) if token.type in ("fence", "code_block")]
    return blocks[-1] if blocks else ""
