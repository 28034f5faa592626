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
from appliance.server.schema import SamplingFields
from appliance.settings import ApplianceSettings
from bundle.manifest import Manifest, ModelFile

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
    _courier: Courier | None = None

    @property
    def names(self) -> list[str]:
        """The models that requests may name: the expert, and with each of its adapters."""
        return [self.manifest.name, *(f"{self.manifest.name}:{adapter}" for adapter in self.settings.adapters)]

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

    async def answer(
        self,
        body: SamplingFields,
        client: Request,
        prompts: Callable[[Expert], Sequence[tuple[int, ...]]],
        *,
        choices: int = 1,
        **more: Any,
    ) -> Answering:
        """Begin the answers to the prompts of a body, `choices` to each, one prompt after the other.

        `prompts` and what else there is to know about the request are the route's; `more` are the engine's names.

        Raises:
            ApiError: no such model is served, or it is still loading.
            BoffinError: the prompts can't be made or answered.
        """
        adapter, expert = self.adapter(body.model), self.ready()
        if self._courier is None:
            self._courier = Courier(asyncio.get_running_loop())
            expert.engine.after_step = self._courier.deliver

        def make() -> list[GenerationRequest]:
            asked = {**body.sampling(), **more, "adapter": adapter, "client": caller(client)}
            return [
                replace(one, sampling=replace(one.sampling, seed=one.sampling.seed + choice))
                if one.sampling.seed is not None
                else one
                for prompt in prompts(expert)
                for one in [expert.request(prompt, **asked)]
                for choice in range(choices)
            ]

        cache = body.cache and "no-store" not in client.headers.get("cache-control", "").lower()
        return await Answering.begin(expert, self._courier, client, make, cache=cache)


def caller(client: Request) -> str:
    """Who asks: the name of the key, or else the address that it comes from; waiting callers take turns."""
    key: str = getattr(client.state, "key", "")
    return f"key {key}" if key else f"address {client.client.host if client.client else ''}"
