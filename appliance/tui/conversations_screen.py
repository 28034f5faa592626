"""The list of conversations, and the search through all that was said in them.

Typing searches; without words it is the list. Knows the store, and nothing about what is shown behind it.
"""

from __future__ import annotations

import time
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from appliance.conversations import Conversation, Store
from appliance.conversations.search import MARK, UNMARK, Hit, search
from appliance.sanitise import clean_line
from appliance.tui.line_screen import LineScreen


class Place(NamedTuple):
    """A conversation, and perhaps a message in it."""

    conversation: int
    message: int | None = None


class ConversationsScreen(ModalScreen[Place | None]):
    """Where to go on, or None."""

    BINDING_GROUP_TITLE = "List of conversations"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "Next", id="list.next", show=False),
        Binding("up", "move(-1)", "Previous", id="list.previous", show=False),
        Binding("ctrl+t", "pin", "Pin", id="list.pin", tooltip="Keep it at the top, or no longer", priority=True),
        Binding("f2", "rename", "Rename", id="list.rename"),
        Binding("ctrl+d", "delete", "Delete", id="list.delete", priority=True),
        Binding("ctrl+z", "undo", "Undo", id="list.undo", tooltip="Have the last deleted one back", priority=True),
        Binding("escape", "dismiss(None)", "Leave", id="list.leave"),
    ]

    def __init__(self, store: Store, current: int | None = None) -> None:
        """`current` is the conversation that is open."""
        super().__init__()
        self._store = store
        self._current = current
        self._places: list[Place] = []
        self._conversations: dict[int, Conversation] = {}
        self._deleted: list[int] = []

    def compose(self) -> ComposeResult:
        """Yield the search and what it finds."""
        with Vertical(classes="dialog tall") as dialog:
            dialog.border_title = "Conversations"
            dialog.border_subtitle = "Enter opens · ^T pins · F2 renames · ^D deletes · ^Z undoes"
            yield Input(placeholder="Search everything that was said", compact=True)
            yield OptionList(markup=False)
            yield Label("", id="found", classes="note")

    def on_mount(self) -> None:
        """Show the list."""
        self.query_one(OptionList).can_focus = False
        self.fill()

    @on(Input.Changed)
    def fill(self) -> None:
        """Show what fits what is typed."""
        typed = self.query_one(Input).value
        self._conversations = {one.id: one for one in self._store.conversations()}
        entries: list[tuple[Place, Content]]
        if typed.strip():
            hits = search(self._store, typed)
            entries = [(Place(hit.conversation, hit.message), _hit(hit)) for hit in hits]
            said = f"{len(hits)} {'hit' if len(hits) == 1 else 'hits'}"
        else:
            now = time.time()
            entries = [(Place(one.id), self._entry(one, now)) for one in self._conversations.values()]
            said = "" if entries else "Nothing was asked yet."
        options = self.query_one(OptionList)
        highlighted = options.highlighted or 0
        self._places = [place for place, _ in entries]
        options.clear_options()
        options.add_options([Option(content) for _, content in entries])
        if entries:
            options.highlighted = min(highlighted, len(entries) - 1)
        self.query_one("#found", Label).update(said)

    @on(Input.Submitted)
    def open(self) -> None:
        """Go to the highlighted place."""
        if place := self._highlighted():
            self.dismiss(place)

    @on(OptionList.OptionSelected)
    def open_clicked(self, event: OptionList.OptionSelected) -> None:
        """Go to the place that was clicked."""
        self.dismiss(self._places[event.option_index])

    def action_move(self, step: int) -> None:
        """Highlight the next (1) or the previous (-1) entry."""
        options = self.query_one(OptionList)
        options.action_cursor_down() if step > 0 else options.action_cursor_up()

    def action_pin(self) -> None:
        """Pin the highlighted conversation, or unpin it."""
        if (place := self._highlighted()) and (one := self._conversations.get(place.conversation)):
            self._store.pin(one.id, not one.pinned)
            self.fill()

    def action_rename(self) -> None:
        """Ask for another name."""
        place = self._highlighted()
        one = self._conversations.get(place.conversation) if place else None
        if one is None:
            return

        def take(title: str | None) -> None:
            if title:
                self._store.rename(one.id, title)
                self.fill()

        self.app.push_screen(LineScreen("Rename the conversation", one.title), take)

    def action_delete(self) -> None:
        """Delete the highlighted conversation; it can be had back."""
        if place := self._highlighted():
            self._store.delete(place.conversation)
            self._deleted.append(place.conversation)
            self.fill()
            self.query_one("#found", Label).update("Deleted: Ctrl+Z has it back, until tomorrow.")

    def action_undo(self) -> None:
        """Have the conversation that was deleted last back."""
        if self._deleted:
            self._store.restore(self._deleted.pop())
            self.fill()

    def _highlighted(self) -> Place | None:
        place = self.query_one(OptionList).highlighted
        return self._places[place] if place is not None and place < len(self._places) else None

    def _entry(self, one: Conversation, now: float) -> Content:
        mark = "● " if one.id == self._current else "★ " if one.pinned else "  "
        pinned = " ★" if one.pinned and one.id == self._current else ""
        return Content.assemble(
            (mark, "$primary"), Content(clean_line(one.title)), (f"{pinned}  {_ago(now - one.changed)}", "$text-muted")
        )


def _hit(hit: Hit) -> Content:
    excerpt = Content("")
    for number, piece in enumerate(hit.excerpt.split(MARK)):
        found, _, rest = piece.partition(UNMARK) if number else ("", "", piece)
        excerpt = Content.assemble(excerpt, (_flat(found), "bold $primary"), Content(_flat(rest)))
    if hit.message is None:
        return Content.assemble(("  ", ""), Content(clean_line(hit.title)).stylize("bold"))
    return Content.assemble(("  " + clean_line(hit.title, 60), "$text-muted"), "\n    ", excerpt)


def _flat(text: str) -> str:
    """A piece of an excerpt on one line, its outer spaces kept."""
    return "".join(character if character.isprintable() else " " for character in text)


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
