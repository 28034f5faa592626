"""`boffin ask`: one question, one answer on standard output; as it is for a pipe, rendered for a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import typer

from appliance.wire import REPAIRED, Answering, ChatOptions, CodeCheck, Delta, Done, Event, marked
from boffin.served import answering, conversations, find_served, first_model, piped_input
from bundle.errors import BoffinError, SettingsError

if TYPE_CHECKING:
    from appliance.conversations import Message, Store, Thread

Printer = Callable[[str], None]


@dataclass(frozen=True)
class Printed:
    """What is printed of an answer; as it comes, unless something here says otherwise."""

    code: bool = False
    """Only the first code block."""
    as_json: bool = False
    """One object."""
    sources: bool = False
    """The numbers of the passages that bear its sentences out, and what was read below."""

    @property
    def late(self) -> bool:
        """Whether it can be printed only when the answer has ended."""
        return self.code or self.as_json or self.sources


def ask_once(
    question: str,
    folder: Path,
    assignments: Sequence[str],
    bundle: Path | None,
    url: str,
    printed: Printed,
    *,
    go_on: bool = False,
    grounding: bool | None = None,
) -> None:
    """Answer a question, to which standard input is added.

    `go_on` asks in the last conversation; `grounding` says whether documentation is read before; the settings stand
    in for None.

    Raises:
        BoffinError: nothing was asked, nobody answers, or there is no code or conversation.
    """
    content = "\n\n".join(part for part in (question.strip(), piped_input()) if part)
    if not content:
        raise SettingsError('nothing was asked; write boffin ask "How do I …?", or pipe a question in')
    served = find_served(folder, assignments, bundle, url)
    with answering(served, url) as client:
        from appliance.reply import read_answer  # here, where the expert has begun to load
        from appliance.sanitise import clean

        with conversations() as store:
            thread = _thread(store, go_on)
            model = first_model(client.models(), url)
            model = thread.options.model or model
            draft = thread.ask(clean(content), model)
            noting = _Noting(client, grounding)
            pieces = read_answer(noting, thread, draft, model)
            with closing(pieces):
                message = _read(pieces, quiet=printed.late)
    if not printed.as_json and noting.done:
        _tell_findings(noting.done)
    if printed.as_json:
        assert thread.conversation is not None
        fields = {"question": content, "answer": message.text, "model": message.model, "state": message.state}
        said = fields | {"conversation": thread.conversation.id, "figures": message.figures.model_dump()}
        if noting.done:
            said |= {name: asdict(noting.done)[name] for name in ("sources", "citations", "checks", "repaired")}
        typer.echo(json.dumps(said, ensure_ascii=False))
    elif printed.code:
        from appliance.code_blocks import code_blocks

        blocks = code_blocks(message.text)
        if not blocks:
            raise BoffinError("the answer has no code block; ask without -x to read it")
        typer.echo(blocks[0].code, nl=False)
    elif printed.sources and noting.done:
        _print_cited(message.text, noting.done)


class _Noting:
    """Who answers, with one more wish, and with a note of how an answer ended."""

    def __init__(self, client: Answering, grounding: bool | None) -> None:
        self._client = client
        self._grounding = grounding
        self.done: Done | None = None

    def models(self) -> list[str]:
        return self._client.models()

    def chat(self, messages: Sequence[Mapping[str, str]], **options: Unpack[ChatOptions]) -> Generator[Event]:
        if self._grounding is not None:
            options["grounding"] = self._grounding
        with closing(self._client.chat(messages, **options)) as events:
            for event in events:
                if not isinstance(event, Delta | CodeCheck):
                    self.done = event
                yield event


def _tell_findings(done: Done) -> None:
    """Tell on standard error what in the answer's code doesn't exist."""
    for finding in (finding for check in done.checks for finding in check.findings):
        near = f"; did it mean {finding.nearest}?" if finding.nearest else ""
        typer.echo(_line(f"{finding.name} does not exist{near}"), err=True)
    if done.repaired:
        typer.echo(REPAIRED, err=True)


def _print_cited(text: str, done: Done) -> None:
    """Print an answer with the numbers of its passages, and the passages below."""
    typer.echo(marked(text, done.citations))
    typer.echo("\nRead before answering:" if done.sources else "\nNothing of the documentation was read for it.")
    for one in done.sources:
        parts = (one.title, f"({one.package} {one.version})", one.url, one.licence, one.attribution)
        typer.echo(f"  [{one.number}] {_line(' '.join(filter(None, parts)))}")


def _line(text: str) -> str:
    """A text from outside on one line, fit for a terminal."""
    from appliance.sanitise import clean

    return " ".join(clean(text).split())


def _thread(store: Store, go_on: bool) -> Thread:
    from appliance.conversations import Thread

    if not go_on:
        return Thread(store)
    newest = store.newest()
    if newest is None:
        raise SettingsError("there is no conversation to go on with; ask without -c first")
    return Thread.open(store, newest.id)


def _read(pieces: Generator[str, None, Message], *, quiet: bool) -> Message:
    """Read the answer to its end and print it as it comes, unless `quiet`."""
    feed, finish = _printer(quiet)
    text = ""
    try:
        while True:
            text = next(pieces)
            feed(text)
    except StopIteration as end:
        message: Message = end.value
        return message
    finally:
        finish(text)


def _printer(quiet: bool) -> tuple[Printer, Printer]:
    """What prints a piece, and what ends the printing, told the last piece."""
    if quiet:
        return (lambda _text: None), (lambda _text: None)
    if not sys.stdout.isatty():
        return (lambda text: typer.echo(text, nl=False)), (lambda text: typer.echo("", nl=text[-1:] != "\n"))
    from rich.console import Console

    from boffin.rendering import BlockPrinter

    printer = BlockPrinter(Console())
    return printer.feed, lambda _text: printer.finish()
