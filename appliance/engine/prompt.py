"""A conversation as the model's tokens.

The prompt is the bundle's template, rendered and tokenised with its control tokens. People's text may contain the text
of such a token (`<|im_end|>`, say, in a question about chat templates, or in an attack); there it stays text. Where no
message has such a look-alike, which is nearly always, the rendered prompt is tokenised as a whole. Where one has,
each look-alike is broken before rendering with a character that no text contains, so that the template's own control
tokens can be told from people's; then the text between them is tokenised as plain text, without that character.

Knows nothing about sampling or memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from appliance.engine.model import Model
from bundle.template import Message, PromptTemplate

_MARK = "\ufdd0"
"""A Unicode noncharacter; taken out of people's text."""
_SHORT = 20_000
"""Characters of a prompt whose tokens are kept, in case that it comes again: its answer may be stored."""


class PromptBuilder:
    """Makes prompts for one model with one template."""

    def __init__(self, model: Model, template: PromptTemplate) -> None:
        self._model = model
        self._template = template
        # The longest first, as llama.cpp looks for them.
        texts = sorted(model.control_tokens, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, texts)) if texts else r"(?!)")
        self._recent = lru_cache(maxsize=256)(self._tokenize)

    def chat(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of a conversation, up to where the answer begins.

        Raises:
            TemplateError: the template refuses the conversation.
        """
        clean = [{**message, "content": message["content"].replace(_MARK, "")} for message in messages]
        marked = [{**message, "content": self._mark(message["content"])} for message in clean]
        rendered = self._template.render(marked)
        tokenize = self._recent if len(rendered) <= _SHORT else self._tokenize
        return list(tokenize(rendered, marked == clean))

    def begun(self, text: str) -> list[int]:
        """The tokens of an answer that has begun: plain text, as an answer's own tokens are."""
        return self._model.tokenize(text.replace(_MARK, ""))

    def completion(self, text: str) -> list[int]:
        """The tokens of a bare text: its control tokens are read as such, and it begins as the file says, once."""
        tokens = self._model.tokenize(text, add_special=True, parse_special=True)
        bos = self._model.bos
        return tokens[1:] if tokens[:2] == [bos, bos] else tokens

    def _mark(self, text: str) -> str:
        return self._control.sub(lambda match: _MARK.join(match[0]), text)

    def _tokenize(self, rendered: str, plain: bool) -> tuple[int, ...]:
        """`plain` says that people's text has no control token's in it."""
        return tuple(self._model.tokenize(rendered, parse_special=True) if plain else self._tokenize_marked(rendered))

    def _tokenize_marked(self, rendered: str) -> list[int]:
        tokens: list[int] = []
        place = 0
        for match in self._control.finditer(rendered):
            tokens += self._model.tokenize(rendered[place : match.start()].replace(_MARK, ""))
            tokens.append(self._model.control_tokens[match[0]])
            place = match.end()
        return tokens + self._model.tokenize(rendered[place:].replace(_MARK, ""))
