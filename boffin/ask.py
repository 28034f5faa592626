"""`boffin ask`: one question, one answer on standard output; as it is for a pipe, rendered for a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from boffin.served import answering, conversations, find_bundle, first_model, piped_input
from bundle.errors import BoffinError, SettingsError

if TYPE_CHECKING:
    from appliance.conversations import Message, Store, Thread

Printer = Callable[[str], None]


def ask_once(
    question: str,
    folder: Path,
    assignments: Sequence[str],
    bundle: Path | None,
    url: str,
    *,
    code: bool = False,
    go_on: bool = False,
    as_json: bool = False,
) -> None:
    """Answer a question, to which standard input is added.

    `code` gives only the first code block, `go_on` asks in the last conversation, `as_json` gives one object.

    Raises:
        BoffinError: nothing was asked, nobody answers, or there is no code or conversation.
    """
    content = "\n\n".join(part for part in (question.strip(), piped_input()) if part)
    if not content:
        raise SettingsError('nothing was asked; write boffin ask "How do I …?", or pipe a question in')
    served = None if url else find_bundle(folder, assignments, bundle)
    with answering(served, url) as client:
        from appliance.reply import read_answer  # here, where the expert has begun to load
        from appliance.sanitise import clean

        with conversations() as store:
            thread = _thread(store, go_on)
            model = first_model(client.models(), url)
            model = thread.options.model or model
            draft = thread.ask(clean(content), model)
            pieces = read_answer(client, thread, draft, model)
            with closing(pieces):
                message = _read(pieces, quiet=code or as_json)
    if as_json:
        assert thread.conversation is not None
        fields = {"question": content, "answer": message.text, "model": message.model, "state": message.state}
        said = fields | {"conversation": thread.conversation.id, "figures": message.figures.model_dump()}
        typer.echo(json.dumps(said, ensure_ascii=False))
    elif code:
        from appliance.code_blocks import code_blocks

        blocks = code_blocks(message.text)
        if not blocks:
            raise BoffinError("the answer has no code block; ask without -x to read it")
        typer.echo(blocks[0].code, nl=False)


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
