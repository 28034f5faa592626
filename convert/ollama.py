"""An Ollama Modelfile for a bundle's GGUF file: its prompt template in Go's language, the system message, the stops.

Jinja can't be turned into Go templates in general, so the trained template is compared, by what it renders, with forms
that are known in both: ChatML, Llama 3 and the reference run's. Knows nothing about tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bundle.errors import ConvertError
from bundle.template import Message, PromptTemplate

MODELFILE = "Modelfile"

_QUESTION = {"role": "user", "content": "boffin question"}
_CONVERSATIONS: tuple[tuple[Message, ...], ...] = (
    ({"role": "system", "content": "boffin system"}, _QUESTION),
    (
        {"role": "system", "content": "boffin system"},
        _QUESTION,
        {"role": "assistant", "content": "boffin answer"},
        {"role": "user", "content": "Another\nquestion"},
    ),
)
_REFUSED = (
    "Ollama's template language can't say this prompt template (known are ChatML, Llama 3 and the reference run's); "
    "leave `ollama` out of `convert.also`"
)


@dataclass(frozen=True)
class Form:
    """A way of writing a conversation that is known in both languages."""

    turn: Callable[[Message, PromptTemplate], str]
    """One message."""
    opening: str
    """What comes after the last message, for the answer to follow."""
    go: str
    """Ollama's template; `EOS` stands for the end token's text."""
    stops: tuple[str, ...] = ()
    """Texts at which an answer has ended, besides the template's own end of turn."""

    def render(self, messages: Sequence[Message], template: PromptTemplate) -> str:
        """A conversation's text, without the token that begins a sequence."""
        return "".join(self.turn(message, template) for message in messages) + self.opening


def _chatml(message: Message, _: PromptTemplate) -> str:
    return f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"


def _llama3(message: Message, _: PromptTemplate) -> str:
    return f"<|start_header_id|>{message['role']}<|end_header_id|>\n\n{message['content']}<|eot_id|>"


def _reference(message: Message, template: PromptTemplate) -> str:
    if message["role"] == "system":
        return f"{message['content']}\n\n"
    if message["role"] == "user":
        return f"### Question:\n{message['content']}\n\n"
    return f"### Answer:\n{message['content']}{template.eos_token}\n\n"


FORMS = (
    Form(
        _chatml,
        "<|im_start|>assistant\n",
        "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n",
    ),
    Form(
        _llama3,
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n{{ .Content }}<|eot_id|>{{ end }}"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ("<|start_header_id|>",),
    ),
    Form(
        _reference,
        "### Answer:\n",
        '{{- range .Messages }}{{ if eq .Role "system" }}{{ .Content }}\n\n'
        '{{ else if eq .Role "user" }}### Question:\n{{ .Content }}\n\n'
        "{{ else }}### Answer:\n{{ .Content }}EOS\n\n{{ end }}{{ end }}### Answer:\n",
        ("### Question:",),
    ),
)


def known_form(template: PromptTemplate) -> tuple[Form, bool]:
    """The form that the template renders conversations in, and whether it writes the BOS token before them.

    Raises:
        ConvertError: it is none of the known ones.
    """
    for form in FORMS:
        for start in dict.fromkeys(("", template.bos_token)):
            if all(template.render(turns) == start + form.render(turns, template) for turns in _CONVERSATIONS):
                return form, bool(start)
    raise ConvertError(_REFUSED)


def modelfile(template: PromptTemplate, gguf: str, adds_start: bool) -> str:
    """The Modelfile's text. `adds_start`: whether llama.cpp itself puts the file's BOS token before a prompt.

    Raises:
        ConvertError: Ollama would render another prompt than the model was trained with.
    """
    form, starts = known_form(template)
    if adds_start and not starts:
        raise ConvertError(
            "Ollama would put a BOS token before each prompt, and the model was trained without one; "
            "leave `ollama` out of `convert.also`"
        )
    system = template.system_prompt or _own_system(template, form, template.bos_token if starts else "")
    go = form.go.replace("EOS", template.eos_token)
    if starts and not adds_start:
        go = template.bos_token + go
    if any('"""' in text for text in (go, system)):
        raise ConvertError(
            'a Modelfile can\'t hold the quotes """ of the system prompt; change `project.system_prompt`'
        )
    lines = [f"FROM ./{gguf}", f'TEMPLATE """{go}"""']
    if system:
        lines.append(f'SYSTEM """{system}"""')
    stops = dict.fromkeys((template.end_of_turn, *form.stops))
    return "\n".join([*lines, *(f'PARAMETER stop "{stop}"' for stop in stops if stop)]) + "\n"


def _own_system(template: PromptTemplate, form: Form, start: str) -> str:
    """The system message that the base's template puts first on its own, or ``.

    The reference run's template is refused here: it has its BOS token before a system message alone.
    """
    text = template.render([_QUESTION])
    if text == start + form.render([_QUESTION], template):
        return ""
    before, after = form.render([{"role": "system", "content": "\0"}, _QUESTION], template).split("\0")
    before = start + before
    if before != start and text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after):
        return text[len(before) : len(text) - len(after)]
    raise ConvertError(_REFUSED)
