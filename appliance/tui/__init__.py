"""The terminal UI: a chat with the expert.

It reaches the engine over HTTP, as any other client does, and knows nothing about bundles or llama.cpp.
"""

from __future__ import annotations

from appliance.tui.app import ChatApp

__all__ = ["ChatApp"]
