"""What came with an answer: the passages of the documentation that it rests on, and what of its code doesn't exist."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from appliance.conversations.evidence import Evidence
from appliance.sanitise import clean, clean_line
from appliance.wire import REPAIRED, Source

LINES = 30
"""Of a passage that are shown."""
_SCHEMES = ("http", "https")


class SourcesScreen(ModalScreen[None]):
    """The sources and the checks of one answer."""

    BINDING_GROUP_TITLE = "Sources and checks"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open", id="sources.open", tooltip="Open the passage's page in the browser"),
        Binding("escape", "dismiss(None)", "Leave", id="sources.leave"),
    ]

    def __init__(self, evidence: Evidence, *, opens: bool) -> None:
        """`opens` says whether pages may be opened on this machine."""
        super().__init__()
        self._evidence = evidence
        self._opens = opens

    def compose(self) -> ComposeResult:
        """Yield the findings and the list of passages."""
        evidence = self._evidence
        with Vertical(classes="dialog tall") as dialog:
            dialog.border_title = "Sources and checks"
            dialog.border_subtitle = f"Enter copies the address · {'O opens it · ' if self._opens else ''}Esc leaves"
            for line in evidence.findings()[:LINES]:
                yield Label(f"⚠ {clean_line(line, 300)}", classes="finding", markup=False)
            if evidence.checks and not evidence.findings():
                yield Label("Every name in its code exists.", classes="note", markup=False)
            if evidence.repaired:
                yield Label(REPAIRED, classes="note", markup=False)
            options = [Option(_shown(source, source.number in evidence.cited)) for source in evidence.sources]
            yield OptionList(*options, markup=False)
            if not options:
                yield Label("It read no documentation.", classes="note", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Pages are opened only for who sits at this machine."""
        return action != "open" or self._opens

    @on(OptionList.OptionSelected)
    def copy(self, event: OptionList.OptionSelected) -> None:
        """Copy the passage's address."""
        if address := _address(self._evidence.sources[event.option_index]):
            self.app.copy_to_clipboard(address)
        else:
            self.notify("It is from an installed package's own texts, which have no page.", markup=False)

    def action_open(self) -> None:
        """Open the highlighted passage's page."""
        place = self.query_one(OptionList).highlighted
        address = _address(self._evidence.sources[place]) if place is not None else ""
        if address:
            self.app.open_url(address)
        else:
            self.notify("It has no page to open.", markup=False)


def _address(source: Source) -> str:
    """Where it can be read, if that is a page of the web."""
    address = clean_line(source.url, 2_000)
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return address if parts.scheme in _SCHEMES and parts.hostname else ""


def _shown(source: Source, cited: bool) -> Content:
    origin = " ".join(part for part in (source.package, source.version) if part)
    facts = ["cited" if cited else "", origin, source.licence, source.attribution, source.url]
    line = " · ".join(clean_line(fact, 200) for fact in facts if fact)
    lines = clean(source.text).splitlines()
    text = "\n".join(f"  {one[:200]}" for one in lines[:LINES]) + ("\n  …" if len(lines) > LINES else "")
    head = f"[{source.number}] {clean_line(source.title, 100)}"
    return Content.assemble((head, "$primary"), "\n", (line, "$text-muted"), "\n", Content(text), "\n")
