"""The code blocks of a Markdown text, unfinished ones too. Knows nothing about what is done with them."""

from __future__ import annotations

from dataclasses import dataclass

from markdown_it import MarkdownIt

_SUFFIXES = {
    "bash": ".sh",
    "console": ".txt",
    "css": ".css",
    "html": ".html",
    "javascript": ".js",
    "js": ".js",
    "json": ".json",
    "py": ".py",
    "pycon": ".txt",
    "python": ".py",
    "sh": ".sh",
    "shell": ".sh",
    "sql": ".sql",
    "toml": ".toml",
    "yaml": ".yaml",
}


@dataclass(frozen=True)
class CodeBlock:
    """One block, without its fence."""

    code: str
    label: str
    """The language that its fence names; empty where it names none."""

    @property
    def suffix(self) -> str:
        """How the name of a file with it ends."""
        return _SUFFIXES.get(self.label, ".txt")

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return len(self.code.splitlines())


def code_blocks(markdown: str) -> list[CodeBlock]:
    """The blocks in the order of the text."""
    tokens = MarkdownIt().parse(markdown)
    return [
        CodeBlock(token.content, (token.info.split() or [""])[0].lower())
        for token in tokens
        if token.type in ("fence", "code_block")
    ]
