"""The scrolling conversation: stays at its end while the reader is there, and stays put while they read above.

Only a window of a long conversation is on the screen; scrolling to its edge brings more. Knows nothing about where
answers come from.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from appliance.conversations import Message, Thread
from appliance.conversations.message import Role
from appliance.tui.answer import Answer
from appliance.tui.notice import Notice
from appliance.tui.question import Question
from appliance.tui.welcome import Welcome

WINDOW = 8
"""Messages that are shown when a conversation is opened, and that an edge brings."""
MOST = 48
"""Messages on the screen, beyond which the far ones are taken away."""


class Conversation(VerticalScroll):
    """Questions, answers and notices, the newest last."""

    def __init__(self, name: str, examples: Sequence[str]) -> None:
        super().__init__(can_focus=False)
        self._expert = name
        self._examples = examples
        self._thread: Thread | None = None
        self._first = self._last = 0
        self.selected: int | None = None
        """The number of the message that is selected."""

    def compose(self) -> ComposeResult:
        """Yield what an empty conversation shows."""
        # Textual scrolls an anchored container whose content is short to a negative offset: the page is never short.
        with Vertical(id="page"):
            yield Welcome(self._expert, self._examples)
            yield Static("", id="earlier", classes="edge")
            yield Vertical(id="messages")
            yield Static("", id="later", classes="edge")

    def on_mount(self) -> None:
        """Follow the end from the beginning."""
        self._show_edges()
        self.anchor()

    async def show(self, thread: Thread, at: int | None = None) -> None:
        """Show a branch at its end, or with message `at` in sight and selected."""
        self._thread = thread
        numbers = [message.id for message in thread.path]
        self._last = len(numbers)
        if at in numbers:
            self._last = min(self._last, numbers.index(at) // 2 * 2 + WINDOW // 2)
        self._first = max(0, self._last - WINDOW) // 2 * 2
        with self.app.batch_update():
            await self._messages.remove_children()
            await self._messages.mount_all(self._widgets(self._first, self._last))
            self._show_edges()
        self.select(at if at in numbers else None)
        if at in numbers:
            self.release_anchor()
            self.call_after_refresh(self._scroll_to_selected)
        else:
            self.scroll_end(animate=False)
            self.anchor()

    async def add(self) -> Answer:
        """Show the last question of the branch and the empty answer to it, and go to the end."""
        assert self._thread is not None
        await self.query(Notice).remove()
        if self._last < len(self._thread.path) - 2 or self._last - self._first > MOST:
            await self.show(self._thread)
        else:
            await self._messages.mount_all(self._widgets(len(self._thread.path) - 2, len(self._thread.path)))
            self._last = len(self._thread.path)
            self._show_edges()
        self.select(None)
        self.anchor()
        return self.query(Answer).last()

    def last_answer(self) -> Answer:
        """The answer at the end of the branch."""
        return self.query(Answer).last()

    async def fail(self, error: str, remedy: str) -> None:
        """Show what went wrong, below everything else."""
        await self.query(Notice).remove()
        await self._messages.mount(Notice(error, remedy))

    def update(self, message: Message) -> None:
        """Show another state of an answer that is on the screen."""
        for answer in self.query(Answer):
            if answer.message.id == message.id and self._thread is not None:
                answer.show(message, self._thread.branches(message))

    def chosen(self, role: Role) -> Message | None:
        """The selected message, or the last one; of a question and its answer, the one that is asked for."""
        path = self._thread.path if self._thread else []
        numbers = [message.id for message in path]
        place = numbers.index(self.selected) if self.selected in numbers else len(path) - 1
        if place >= 0 and path[place].role != role:
            place += 1 if role == "assistant" else -1
        return path[place] if 0 <= place < len(path) else None

    def select(self, number: int | None) -> None:
        """Mark a message as the one that is meant; None: none is."""
        self.selected = number
        for widget in self.query("Question, Answer"):
            widget.set_class(self._number(widget) == number, "-selected")

    def move(self, step: int) -> None:
        """Select the message before (-1) or after (1) the selected one."""
        numbers = [self._number(widget) for widget in self.query("Question, Answer")]
        if not numbers:
            return
        place = numbers.index(self.selected) + step if self.selected in numbers else len(numbers) - 1
        self.select(numbers[min(max(place, 0), len(numbers) - 1)])
        self._scroll_to_selected()
        if place < 0:
            self.extend(-1)

    def turn_page(self, direction: int) -> None:
        """Scroll by a page, up (-1) or down (1)."""
        if direction < 0:
            if self.scroll_y <= 0:
                self.extend(-1)
            self.scroll_page_up(animate=False)
        else:
            if self.is_vertical_scroll_end:
                self.extend(1)
            self.scroll_page_down(animate=False)
            # Paging at the very end would otherwise release the anchor for good.
            self.call_after_refresh(self._follow_at_end)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Bring more when the reader comes to the upper edge."""
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 0 < old_value and self._first > 0:
            self.extend(-1)

    @work(exclusive=True, group="extend")
    async def extend(self, direction: int) -> None:
        """Show more above (-1) or below (1); what the reader sees stays where it is."""
        if self._thread is None:
            return
        path, messages = self._thread.path, self._messages
        if direction < 0 and self._first > 0:
            first, self._first = self._first, max(0, self._first - WINDOW)
            high, place = self.virtual_size.height, self.scroll_y
            await messages.mount_all(self._widgets(self._first, first), before=0)
            await self._take_away(self._last - self._first - MOST, from_end=True)
            self._show_edges()
            self.call_after_refresh(lambda: self._hold(place, high))
        elif direction > 0 and self._last < len(path):
            last, self._last = self._last, min(len(path), self._last + WINDOW)
            await messages.mount_all(self._widgets(last, self._last))
            self._show_edges()

    async def _take_away(self, count: int, *, from_end: bool) -> None:
        if count > 0 and from_end:
            self._last -= count
            await self._messages.remove_children(list(self._messages.children)[-count:])

    def _hold(self, place: float, high: int) -> None:
        self.scroll_to(y=place + self.virtual_size.height - high, animate=False, immediate=True)

    def _widgets(self, first: int, last: int) -> list[Widget]:
        assert self._thread is not None
        kinds = {"user": Question, "assistant": Answer}
        thread = self._thread
        return [kinds[message.role](message, thread.branches(message)) for message in thread.path[first:last]]

    def _show_edges(self) -> None:
        length = len(self._thread.path) if self._thread else 0
        self.query_one(Welcome).display = not length
        for name, count in (("earlier", self._first), ("later", length - self._last)):
            edge = self.query_one(f"#{name}", Static)
            edge.display = count > 0
            edge.update(f"{count:,} {name} messages · {'Page up' if name == 'earlier' else 'Page down'} brings them")

    def _scroll_to_selected(self) -> None:
        for widget in self.query(".-selected"):
            self.scroll_to_widget(widget, animate=False, top=widget.size.height >= self.size.height)

    def _follow_at_end(self) -> None:
        if self.is_vertical_scroll_end and (self._thread is None or self._last == len(self._thread.path)):
            self.anchor()

    @property
    def _messages(self) -> Vertical:
        return self.query_one("#messages", Vertical)

    @staticmethod
    def _number(widget: Widget) -> int | None:
        return widget.message.id if isinstance(widget, Question | Answer) else None
