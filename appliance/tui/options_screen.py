"""What a conversation asks of its answers: model, system prompt, temperature, length; presets fill them in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import ValidationError
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Select, TextArea

from appliance.conversations import Options
from appliance.sanitise import clean, clean_line
from appliance.settings import Preset
from appliance.tui.text_screen import CleanTextArea

READING = [("read before answering", "read"), ("answer from memory", "skip")]
"""Whether documentation is read, as it is shown and as it is chosen."""


class OptionsScreen(ModalScreen[Options | None]):
    """The options as the user left them, or None."""

    BINDING_GROUP_TITLE = "Options of a conversation"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "take", "Keep them", id="options.take", priority=True),
        Binding("escape", "dismiss(None)", "Leave", id="options.leave"),
    ]

    def __init__(self, options: Options, models: Sequence[str], presets: Mapping[str, Preset]) -> None:
        """`models` are the served ones; none where the server doesn't answer."""
        super().__init__()
        self._options = options
        self._models = list(dict.fromkeys([*models, *([options.model] if options.model else [])]))
        self._presets = presets

    def compose(self) -> ComposeResult:
        """Yield a field an option."""
        options = self._options
        models = [(Content(clean_line(name, 60)), name) for name in self._models]
        presets = [(Content(clean_line(name, 40)), name) for name in self._presets]
        with VerticalScroll(classes="dialog tall") as dialog:
            dialog.border_title = "This conversation"
            dialog.border_subtitle = "Ctrl+S keeps them · Esc leaves"
            with Horizontal(classes="field"):
                yield Label("Preset")
                yield Select(presets, prompt="none", id="preset", compact=True)
            with Horizontal(classes="field"):
                yield Label("Model")
                if options.model:
                    yield Select(models, value=options.model, prompt="the one that is served", id="model", compact=True)
                else:
                    yield Select(models, prompt="the one that is served", id="model", compact=True)
            with Horizontal(classes="field"):
                yield Label("Temperature")
                yield Input(_text(options.temperature), placeholder="the server's", id="temperature", compact=True)
            with Horizontal(classes="field"):
                yield Label("Longest answer")
                yield Input(_text(options.max_tokens), placeholder="the server's", id="max_tokens", compact=True)
            with Horizontal(classes="field"):
                yield Label("Documentation")
                reads = {True: "read", False: "skip", None: Select.NULL}[options.grounding]
                yield Select(READING, value=reads, prompt="as the server has it", id="grounding", compact=True)
            yield Label("System prompt (empty: the expert's own)")
            yield CleanTextArea(clean(options.system), id="system", compact=True)
            yield Label("", id="problem", markup=False)

    @on(Select.Changed, "#preset")
    def fill(self, event: Select.Changed) -> None:
        """Fill in what a preset says."""
        preset = self._presets.get(str(event.value))
        if preset is not None:
            self.query_one("#system", TextArea).text = preset.system
            self.query_one("#temperature", Input).value = _text(preset.temperature)
            self.query_one("#max_tokens", Input).value = _text(preset.max_tokens)

    def action_take(self) -> None:
        """Hand the options over, if they can be used."""
        model = self.query_one("#model", Select).value
        values = {
            "model": model if isinstance(model, str) else "",
            "system": self.query_one("#system", TextArea).text.strip(),
            "temperature": self.query_one("#temperature", Input).value.strip() or None,
            "grounding": {"read": True, "skip": False}.get(str(self.query_one("#grounding", Select).value)),
            "max_tokens": self.query_one("#max_tokens", Input).value.strip() or None,
        }
        try:
            self.dismiss(Options.model_validate(values))
        except ValidationError as error:
            first = error.errors()[0]
            where = str(first["loc"][0]).replace("_", " ")
            self.query_one("#problem", Label).update(f"✖ {where}: {clean_line(first['msg'])}")


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
