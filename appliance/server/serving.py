"""What is served, under which names, and to whom. Knows nothing about routes or shapes of replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fastapi import Request

from appliance.engine.request import GenerationRequest
from appliance.server.answering import Answering
from appliance.server.courier import Courier
from appliance.server.failures import ApiError
from appliance.server.journal import record_of
from appliance.server.metrics import HttpCounts
from appliance.settings import ApplianceSettings, CheckPolicy
from bundle.grounding import Grounding
from bundle.manifest import Manifest, ModelFile
from bundle.template import Message

if TYPE_CHECKING:  # it imports llama.cpp, which the server loads only after it listens
    from appliance.engine.expert import Expert


@dataclass
class Serving:
    """What is served; the expert is there once it is loaded."""

    manifest: Manifest
    file: ModelFile
    settings: ApplianceSettings
    expert: Expert | None = None
    since: int = field(default_factory=lambda: int(time.time()))
    """Unix time of the start."""
    http: HttpCounts = field(default_factory=HttpCounts)
    _courier: Courier | None = None

    @property
    def names(self) -> list[str]:
        """The models that requests may name: the expert, and with each of its adapters."""
        adapters = {**self.manifest.specialists, **self.settings.adapters}
        return [self.manifest.name, *(f"{self.manifest.name}:{adapter}" for adapter in adapters)]

    def adapter(self, model: str | None) -> str:
        """The adapter that a model's name asks for; empty for none.

        Raises:
            ApiError: no such model is served.
        """
        name = self.manifest.name if model is None else model
        if name not in self.names:
            served = ", ".join(map(repr, self.names))
            message = f"the model {name!r} is not served here; {served} {'is' if len(self.names) == 1 else 'are'}"
            raise ApiError(404, message, "model_not_found", param="model")
        return name.removeprefix(self.manifest.name).removeprefix(":")

    def ready(self) -> Expert:
        """The loaded expert.

        Raises:
            ApiError: it is still loading.
        """
        if self.expert is None:
            raise ApiError(503, f"{self.manifest.name} is still loading; try again", "model_loading", retry_after=1)
        return self.expert

    async def chat(
        self,
        client: Request,
        messages: Sequence[Message],
        *,
        grounding: bool | None,
        check: CheckPolicy | None,
        begun: str = "",
        **asked: Any,
    ) -> Answering:
        """Begin the answers to a conversation, with what of the documentation fits it; else as `answer`.

        `begun` is what of the answer is there already; `grounding` and `check` say whether documentation is read and
        code checked, where the settings stand in for None.

        Raises:
            ApiError: no such model is served, or it is still loading.
            BoffinError: the prompt can't be made or answered.
        """
        found: list[Grounding] = []
        picked: list[str] = []
        # An answer that was begun, has a form to keep or is scored begins with nothing of ours.
        bound = asked.get("grammar"), asked.get("json_schema") is not None, asked.get("logprobs") is not None
        free = not any(bound)

        def opening() -> str:
            return found[-1].opening if free and not begun else ""

        def prompts(expert: Expert) -> list[tuple[int, ...]]:
            found.append(expert.ground(messages, grounding))
            picked.append(expert.specialist(messages))
            return [expert.chat_prompt(messages, begun or opening(), found[-1])]

        def specialist() -> str:
            return picked[-1]

        policy = check or self.settings.checking.policy
        repairs = policy == "repair" and free and asked.get("choices", 1) == 1
        answering = await self.answer(client, prompts, opening=opening, specialist=specialist, repairs=repairs, **asked)
        answering.grounding, answering.begun, answering.talk = found[-1], begun, messages
        if policy != "off":
            library = self.ready().library
            answering.check = library.check if library.checks else None
        record_of(client.scope)["sources"] = len(found[-1].sources)
        return answering

    async def answer(
        self,
        client: Request,
        prompts: Callable[[Expert], Sequence[tuple[int, ...]]],
        *,
        model: str | None,
        cache: bool = True,
        choices: int = 1,
        opening: Callable[[], str] = str,
        specialist: Callable[[], str] = str,
        repairs: bool = False,
        **asked: Any,
    ) -> Answering:
        """Begin the answers to some prompts, `choices` to each, one prompt after the other.

        `prompts` makes them, `cache` says whether the caches may have a part in it, `opening` gives, once they are
        made, what of the answers they have already and clients are told, and `specialist` the adapter that answers
        where the model's name has none; `repairs` is as in `Answering.begin`. `asked` is all else, by the names that
        `Expert.request` has for it.

        Raises:
            ApiError: no such model is served, or it is still loading.
            BoffinError: the prompts can't be made or answered.
        """
        adapter, expert = self.adapter(model), self.ready()
        if self._courier is None:
            self._courier = Courier(asyncio.get_running_loop())
            expert.engine.after_step = self._courier.deliver

        record = record_of(client.scope)
        record["model"] = model or self.manifest.name

        def make() -> list[GenerationRequest]:
            tokens = prompts(expert)
            if self.settings.log.prompts:
                record["prompts"] = [expert.text(one) for one in tokens]
            answers = adapter or specialist()
            record.update({"adapter": answers} if answers else {})
            requests = (expert.request(one, adapter=answers, client=caller(client), **asked) for one in tokens)
            return [_with_seed(request, choice) for request in requests for choice in range(choices)]

        cache = cache and "no-store" not in client.headers.get("cache-control", "").lower()
        return await Answering.begin(expert, self._courier, client, make, cache=cache, repairs=repairs, opening=opening)


def _with_seed(request: GenerationRequest, choice: int) -> GenerationRequest:
    """The request of one of several answers to a prompt: a seed that is given is the first one's."""
    seed = request.sampling.seed
    if seed is None or not choice:
        return request
    return replace(request, sampling=replace(request.sampling, seed=seed + choice))


def caller(client: Request) -> str:
    """Who asks: the name of the key, or else the address that it comes from; with a public key both. Waiting callers
    take turns."""
    key: str = getattr(client.state, "key", "")
    address = f"address {client.client.host if client.client else ''}"
    if getattr(client.state, "public", False):
        return f"key {key}, {address}"
    return f"key {key}" if key else address
