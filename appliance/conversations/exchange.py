"""Conversations as files: JSON with every branch, which can be read back, and Markdown of one branch, for people.

An imported file is a stranger's: it is checked as a whole before any of it is kept, and its texts are sanitised.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from appliance.conversations.evidence import Evidence
from appliance.conversations.message import MAX_TEXT, MAX_TITLE, Conversation, Figures, Message, Options, Role, State
from appliance.conversations.store import Store
from appliance.conversations.thread import Thread
from appliance.sanitise import clean, clean_line
from bundle.atomic import write_text
from bundle.errors import ConversationError, explain_os_error

MAX_FILE = 100_000_000
"""Bytes of a file that is imported."""

Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(clean)]
Line = Annotated[str, Field(max_length=10_000), AfterValidator(lambda text: clean_line(text, MAX_TITLE))]


def _fit(options: Options) -> Options:
    return options.model_copy(update={"model": clean_line(options.model), "system": clean(options.system)})


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class MessageFile(_Part):
    """A message; `parent` is the `id` of one that stands before it in the list."""

    id: int = Field(ge=1, lt=2**62)
    parent: int | None = None
    role: Role
    text: Text
    state: State = "whole"
    model: Line = ""
    figures: Figures = Figures()
    evidence: Evidence = Evidence()
    vote: Literal[-1, 0, 1] = 0
    better: Text = ""
    created: float = Field(default=0.0, ge=0, lt=1e11)


class ConversationFile(_Part):
    """A conversation with all its branches."""

    title: Line
    created: float = Field(default=0.0, ge=0, lt=1e11)
    pinned: bool = False
    options: Annotated[Options, AfterValidator(_fit)] = Options()
    messages: list[MessageFile] = Field(max_length=100_000)

    @model_validator(mode="after")
    def _is_a_tree(self) -> ConversationFile:
        roles: dict[int | None, Role] = {}
        for message in self.messages:
            if message.id in roles:
                raise ValueError(f"two messages have the id {message.id}")
            if message.parent is not None and message.parent not in roles:
                raise ValueError(f"message {message.id} comes before its parent")
            before = roles.get(message.parent, "assistant")
            if before == message.role:
                raise ValueError(f"message {message.id}: questions and answers must take turns, and begin with one")
            roles[message.id] = message.role
        return self


class ExchangeFile(_Part):
    """The whole file."""

    format: Literal["boffin-conversations"] = "boffin-conversations"
    version: Literal[1] = 1
    conversations: list[ConversationFile] = Field(max_length=100_000)


def as_json(store: Store, conversations: list[Conversation]) -> str:
    """Conversations with all their branches."""
    files = [
        ConversationFile(
            title=one.title,
            created=one.created,
            pinned=one.pinned,
            options=one.options,
            messages=[MessageFile.model_validate(message.model_dump()) for message in store.messages(one.id)],
        )
        for one in conversations
    ]
    return ExchangeFile(conversations=files).model_dump_json(indent=2) + "\n"


def as_markdown(thread: Thread) -> str:
    """One branch as a document; what its messages have of Markdown stays as it is."""
    parts = [f"# {thread.conversation.title}" if thread.conversation else "# Untitled"]
    for message in thread.path:
        heading = "Question" if message.role == "user" else "Answer"
        ending = "" if message.state == "whole" else f" ({message.state})"
        parts += [f"## {heading}{ending}", message.text.strip()]
    return "\n\n".join(parts) + "\n"


def export(thread: Thread, path: Path) -> Path:
    """Write a conversation: JSON where the file's name ends so, else Markdown; returns the file.

    Raises:
        ConversationError: there is nothing to write, or it can't be written.
    """
    if thread.conversation is None:
        raise ConversationError("there is nothing to export yet")
    text = as_json(thread.store, [thread.conversation]) if path.suffix.lower() == ".json" else as_markdown(thread)
    try:
        write_text(path, text)
    except OSError as error:
        raise ConversationError(explain_os_error(error, path) or f"{path}: {(error.strerror or '').lower()}") from None
    return path


def import_file(store: Store, path: Path) -> list[int]:
    """Add the conversations of a JSON file; returns their numbers. All of them are added, or none.

    Raises:
        ConversationError: it can't be read, or isn't such a file; the text says what is wrong.
    """
    try:
        if path.stat().st_size > MAX_FILE:
            raise ConversationError(f"{path}: larger than {MAX_FILE // 1_000_000} MB; export fewer conversations")
        file = ExchangeFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConversationError(f"{path}: {(error.strerror or 'unreadable').lower()}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        said = clean_line(str(first["msg"]).removeprefix("Value error, "), 200)
        raise ConversationError(f"{path}: not a file of conversations ({clean_line(where, 100)}: {said})") from None
    return store.add_all([_unpacked(one) for one in file.conversations])


def _unpacked(file: ConversationFile) -> tuple[Conversation, list[Message]]:
    conversation = Conversation(
        id=0, title=file.title or "Untitled", created=file.created, pinned=file.pinned, options=file.options
    )
    messages = [Message.model_validate(message.model_dump()) for message in file.messages]
    ended = [one.model_copy(update={"state": "stopped"}) if one.state == "writing" else one for one in messages]
    return conversation, ended
