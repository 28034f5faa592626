"""`boffin ask`: one question, one answer on standard output; as it is for a pipe, rendered for a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

import typer

from appliance.code_blocks import code_blocks
from appliance.conversations import Message, Store, Thread
from appliance.sanitise import clean
from boffin.served import conversations, endpoint, find_bundle, first_model, key, piped_input
from bundle.errors import BoffinError, SettingsError

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
    with conversations() as store, endpoint(served, url) as address:
        from appliance.client import Client  # here, where a server of its own has begun to start
        from appliance.reply import read_answer

        with Client(address, key=key()) as client:
            thread = _thread(store, go_on)
            model = thread.options.model or first_model(client.models(), address)
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
        blocks = code_blocks(message.text)
        if not blocks:
            raise BoffinError("the answer has no code block; ask without -x to read it")
        typer.echo(blocks[0].code, nl=False)


def _thread(store: Store, go_on: bool) -> Thread:
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
