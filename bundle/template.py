"""The one prompt template: it makes the text that is trained on, evaluated with and served.

A base model's own chat template is used where it has one, otherwise the reference run's. Templates come from
downloaded models, so they are rendered only in jinja2's immutable sandbox. Knows nothing about tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import jinja2
import jinja2.sandbox
from pydantic import BaseModel, ConfigDict

from bundle.digests import digest_value
from bundle.errors import TemplateError

Message = Mapping[str, str]
"""A chat message: `role` (system, user or assistant) and `content`."""

REFERENCE_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ bos_token + message['content'] }}\n\n"
    "{% elif message['role'] == 'user' %}### Question:\n{{ message['content'] }}\n\n"
    "{% else %}### Answer:\n{{ message['content'] + eos_token }}\n\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}### Answer:\n{% endif %}"
)
"""The reference run's template, for base models that have none of their own."""

_PROBE = "boffin probe answer"
MAX_RENDERED = 4_000_000
"""Characters beyond which a rendered prompt is refused."""


QUESTION = "Question:"


def grounded(question: str, documentation: str) -> str:
    """A user's message: the question below the documentation that goes before it, or alone where that is nothing."""
    return f"{documentation}\n\n{QUESTION} {question}" if documentation else question


class PromptTemplate(BaseModel):
    """A chat template with all that it needs to be rendered; stored in the adapter and in the bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """The jinja2 text."""
    bos_token: str = ""
    """The text of the token that begins a sequence, if the template writes it."""
    eos_token: str = ""
    """The text of the token that ends a sequence."""
    system_prompt: str = ""
    """The system message that is put first when a conversation brings none; empty for none."""

    @cached_property
    def _compiled(self) -> jinja2.Template:
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        environment.globals.pop("range", None)
        environment.globals["range"] = _bounded_range
        try:
            return environment.from_string(self.source)
        except jinja2.TemplateError as error:
            raise TemplateError(f"the prompt template does not compile: {error}") from None

    @property
    def digest(self) -> str:
        """SHA-256 over everything that changes the rendered text."""
        return digest_value(self.model_dump())

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> str:
        """The prompt's text for a conversation.

        The template's own system prompt is put first when the conversation has no system message.

        Raises:
            TemplateError: the template refuses the conversation, or is unsafe or broken.
        """
        turns = [dict(message) for message in messages]
        if self.system_prompt and not (turns and turns[0]["role"] == "system"):
            turns.insert(0, {"role": "system", "content": self.system_prompt})
        try:
            text = self._compiled.render(
                messages=turns,
                add_generation_prompt=add_generation_prompt,
                bos_token=self.bos_token,
                eos_token=self.eos_token,
            )
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
            raise TemplateError(f"the prompt template can't render this conversation: {error}") from None
        if len(text) > MAX_RENDERED:
            raise TemplateError(f"the rendered prompt has {len(text)} characters; at most {MAX_RENDERED} are taken")
        return text

    def example(self, question: str, answer: str) -> tuple[str, str]:
        """The two halves of a training text: the prompt as it is served, and the answer with its end of turn.

        Raises:
            TemplateError: the rendered conversation doesn't begin with the served prompt.
        """
        prompt = self.render([{"role": "user", "content": question}])
        return prompt, answer + self.end_of_turn

    @cached_property
    def end_of_turn(self) -> str:
        """The text after an answer that ends the assistant's turn, e.g. `<|im_end|>`.

        Raises:
            TemplateError: an answer isn't rendered unchanged right after the generation prompt.
        """
        question = {"role": "user", "content": "boffin probe question"}
        prompt = self.render([question])
        whole = self.render([question, {"role": "assistant", "content": _PROBE}], add_generation_prompt=False)
        if not whole.startswith(prompt + _PROBE):
            raise TemplateError(
                "the prompt template puts something between its generation prompt and the answer, "
                "so training and serving would differ; choose another base model or template"
            )
        end = whole[len(prompt + _PROBE) :].strip()
        return end or self.eos_token


def _raise_exception(message: str) -> Any:
    """What chat templates call to refuse a conversation."""
    raise jinja2.TemplateError(message)


def _bounded_range(*bounds: int) -> range:
    """jinja2's `range`, which a hostile template can't make endless."""
    numbers = range(*bounds)
    if len(numbers) > 100_000:
        raise jinja2.TemplateError("range is too long")
    return numbers
