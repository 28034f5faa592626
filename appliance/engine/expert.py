"""A bundle, loaded and ready to answer: its model, prompt template, engine and answer cache in one hand.

Knows nothing about HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

from appliance.engine.answers import AnswerCache
from appliance.engine.checked import checked_digest
from appliance.engine.costs import costs_for
from appliance.engine.engine import Engine
from appliance.engine.errors import InvalidRequest
from appliance.engine.json_grammar import grammar_of
from appliance.engine.prefixes import PrefixStore
from appliance.engine.prompt import PromptBuilder
from appliance.engine.request import GenerationRequest, SamplingParams
from appliance.engine.threads import threads_for
from appliance.engine.weights import Weights
from appliance.library import Library
from appliance.settings import ApplianceSettings
from bundle.digests import digest_file, digest_value
from bundle.errors import BundleError, SettingsError
from bundle.grounding import Grounding, turns_of, with_documentation
from bundle.manifest import SYMBOLS, Manifest
from bundle.template import Message

ANSWERS = "answers"
"""Folder of the answer cache in the cache folder."""
PREFIXES = "prefixes"
"""Folder of the cache of prefixes there."""
_NOTHING = Grounding()
_PASSAGES, _TOKENS = 3, 400
"""Of documentation, where neither the settings nor the bundle say how much."""


class MoreSampling(TypedDict, total=False):
    """The sampling settings that have no defaults of their own in the settings, as `SamplingParams` explains them."""

    top_k: int
    min_p: float
    frequency_penalty: float
    presence_penalty: float
    dry_multiplier: float
    dry_base: float
    dry_allowed_length: int
    logit_bias: tuple[tuple[int, float], ...]
    grammar: str


class Expert:
    """A loaded bundle; to be closed."""

    def __init__(
        self,
        bundle: Path,
        settings: ApplianceSettings,
        cache_dir: Path,
        weights: Weights | None = None,
        *,
        hurried: bool = False,
    ) -> None:
        """Check the served file against the manifest, load it and set aside the memory.

        `weights` are those of this very bundle, where they are being loaded already. For whoever is `hurried` the
        symbol table is read only when code is checked.

        Raises:
            BundleError: the bundle is incomplete, damaged or has no such quantisation.
            SettingsError: the context is longer than the model was made for, or than the memory.
            ServerError: the memory isn't there.
        """
        weights = weights or Weights(bundle, settings, cache_dir)
        self.settings = settings
        self.manifest, self.file, digest = weights.manifest, weights.file, weights.digest
        self.devices, self.offload, self.backend = weights.devices, weights.offload, weights.backend
        self.library = Library(bundle, self.manifest)
        if not hurried and self.library.checks:
            assert self.library.table is not None
        self.adapters = _specialists(bundle, self.manifest, cache_dir) | settings.adapters
        """The LoRA adapters by the names that requests have for them."""
        self.model = weights.model()
        if settings.context > self.model.trained_context:
            raise SettingsError(
                f"appliance.context is {settings.context}, but {self.file.file} was trained on "
                f"{self.model.trained_context} tokens; set it to at most that"
            )
        if settings.memory and not settings.shared:
            raise SettingsError(
                "appliance.memory is for a memory that all answers share; set appliance.shared to true, or memory to 0"
            )
        if 0 < settings.memory < settings.context:
            raise SettingsError(
                f"appliance.memory is {settings.memory}, too little for one answer of appliance.context "
                f"({settings.context}); raise it, or set it to 0"
            )
        self._prompts = PromptBuilder(self.model, self.manifest.template)
        self.prefixes: PrefixStore | None = None
        if settings.prefixes.enabled and not settings.strict:
            stamp = digest_value(
                {
                    "model": digest,
                    "llama.cpp": version("llama-cpp-python"),
                    "context": settings.context,
                    "parts": 0 if settings.shared else settings.slots,
                    "type": settings.kv_type,
                    "on": self.backend,
                }
            )
            self.prefixes = PrefixStore(cache_dir / PREFIXES, stamp, settings.prefixes.max_megabytes * 1_000_000)
        threads = settings.threads or threads_for(self.model, weights.processor)
        costs = None
        if settings.speculation == "auto" and not settings.strict:
            on = [self.backend, weights.processor, f"{threads} threads", f"{weights.layers} layers", digest[:16]]
            costs = costs_for(self.model, ", ".join(on), threads, offload=weights.layers > 0)
        self.engine = Engine(
            self.model,
            slots=settings.slots,
            context=settings.context,
            queue_limit=settings.queue,
            threads=threads,
            memory=settings.memory,
            offload=weights.layers > 0,
            kv_type=settings.kv_type,
            strict=settings.strict,
            shared=settings.shared,
            prefixes=self.prefixes,
            adapters=self.adapters,
            costs=costs,
        )
        self.answers: AnswerCache | None = None
        if settings.cache.enabled:
            most, seconds = settings.cache.max_megabytes * 1_000_000, settings.cache.keep_days * 86_400
            if self.adapters:
                adapters = {name: digest_file(path) for name, path in self.adapters.items()}
                digest = digest_value({"model": digest, "adapters": adapters})
            self.answers = AnswerCache(cache_dir / ANSWERS, digest, most, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self, drain: float = 0.0) -> None:
        """Stop answering: running answers get `drain` seconds to finish."""
        self.engine.close(drain)
        for cache in (self.answers, self.prefixes):
            if cache is not None:
                cache.close()
        self.library.close()

    def ground(self, messages: Sequence[Message], wanted: bool | None = None) -> Grounding:
        """What of the documentation is to stand before a conversation's last question.

        `wanted` says whether any; the settings stand in for None.

        Raises:
            BundleError: the bundle's index is damaged.
            TemplateError: the template refuses the conversation.
        """
        settings, reading = self.settings.grounding, self.manifest.reading
        if wanted is None:
            wanted = reading is not None if settings.enabled is None else settings.enabled
        if self.library.documentation is None or not wanted:
            return _NOTHING
        passages, tokens = (reading.passages, reading.tokens) if reading else (_PASSAGES, _TOKENS)
        most = settings.passages or passages

        def room() -> int:
            left = self.settings.context - len(self.chat_prompt(messages))
            return min(settings.tokens or tokens, self.settings.context // 4, left // 2)

        return self.library.ground(messages, room, lambda text: len(self.model.tokenize(text)), most)

    def specialist(self, messages: Sequence[Message]) -> str:
        """The adapter that is to answer a conversation: that of the library which it is about; empty for none.

        Raises:
            BundleError: the bundle's index is damaged.
        """
        if not (self.settings.routing and self.manifest.specialists):
            return ""
        library = self.library.about(turns_of(messages))
        return library if library in self.manifest.specialists else ""

    def chat_prompt(
        self, messages: Sequence[Message], begun: str = "", grounding: Grounding = _NOTHING
    ) -> tuple[int, ...]:
        """The tokens of a conversation, up to where the answer begins, or to the end of what of it has `begun`.

        What the grounding has stands before the last question.

        Raises:
            TemplateError: the template refuses the conversation.
        """
        tokens = self._prompts.chat(with_documentation(messages, grounding))
        return (*tokens, *(self.begun(begun) if begun else ()))

    def begun(self, text: str) -> tuple[int, ...]:
        """The tokens of an answer, or a part of one, that is there already."""
        return tuple(self._prompts.begun(text))

    @property
    def repaired_by(self) -> str:
        """What repaired answers depend on beside their requests."""
        return f"repaired by {self.manifest.files.get(SYMBOLS)}"

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, control tokens' too; what isn't a whole character is a replacement character.

        Raises:
            InvalidRequest: a token isn't one of the model's.
        """
        if not all(0 <= token < self.model.n_vocab for token in tokens):
            raise InvalidRequest(f"there is a token that isn't one of the model's {self.model.n_vocab}")
        return b"".join(map(self.piece, tokens)).decode("utf-8", "replace")

    def piece(self, token: int) -> bytes:
        """The bytes of a token, a control token's too."""
        return self.model.piece(token, special=True)

    def request(
        self,
        tokens: tuple[int, ...],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        repeat_penalty: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        logprobs: int | None = None,
        score_prompt: bool = False,
        adapter: str = "",
        client: str = "",
        deadline: float | None = None,
        json_schema: Any = None,
        **sampling: Unpack[MoreSampling],
    ) -> GenerationRequest:
        """A request for the engine; the settings stand in for what is None, and the answer fits into the context.

        Under `json_schema`, a schema as read from JSON, the answer is JSON that fits it.

        Raises:
            InvalidRequest: the schema can't be followed.
        """
        if json_schema is not None:
            if sampling.get("grammar"):
                raise InvalidRequest("a grammar and a JSON schema don't go together; leave one out")
            sampling["grammar"] = grammar_of(json_schema)
        default = self.settings.sampling
        room = max(1, self.settings.context - len(tokens))
        return GenerationRequest(
            tokens=tokens,
            max_tokens=min(default.max_tokens if max_tokens is None else max_tokens, room),
            sampling=SamplingParams(
                temperature=default.temperature if temperature is None else temperature,
                top_p=default.top_p if top_p is None else top_p,
                repeat_penalty=default.repeat_penalty if repeat_penalty is None else repeat_penalty,
                seed=seed,
                **sampling,
            ),
            stop=tuple(stop),
            logprobs=logprobs,
            score_prompt=score_prompt,
            adapter=adapter,
            client=client,
            deadline=deadline,
        )

    def text_prompt(self, text: str) -> tuple[int, ...]:
        """The tokens of a bare text, as its GGUF file says they begin."""
        return tuple(self._prompts.completion(text))


def _specialists(bundle: Path, manifest: Manifest, cache_dir: Path) -> dict[str, Path]:
    """The bundle's own adapters, after they were found to be the sealed ones."""
    found = {library: bundle / file for library, file in manifest.specialists.items()}
    for path in found.values():
        if not path.is_file():
            raise BundleError(f"{path}: missing from the bundle; convert or copy it anew")
        if checked_digest(path, cache_dir) != manifest.files.get(path.name):
            raise BundleError(f"{path}: not the file that was sealed; convert or copy it anew")
    return found
