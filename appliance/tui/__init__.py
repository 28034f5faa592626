"""The terminal UI: a chat with the expert.

It reaches the engine over HTTP, as any other client does, and knows nothing about bundles or llama.cpp.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from appliance.client import AsyncClient
from appliance.tui.app import ChatApp
from appliance.tui.welcome import EXAMPLES

__all__ = ["ChatApp", "run"]


def run(url: str, model: str, name: str, examples: Sequence[str] = EXAMPLES) -> None:
    """Open the chat with the expert at `url` and return when the user quits.

    `model` is what requests name, `name` is what the header shows, `examples` are questions for an empty conversation.

    Raises:
        ServerError: `url` is not the address of a server. A server that doesn't answer is shown in the chat instead.
    """
    asyncio.run(_chat(url, model, name, examples))


async def _chat(url: str, model: str, name: str, examples: Sequence[str]) -> None:
    async with AsyncClient(url) as client:
        await ChatApp(client, model, name, examples).run_async()
