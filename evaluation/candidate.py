"""A candidate: a model behind an OpenAI-compatible endpoint. Knows nothing about how it is asked or graded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """One model to evaluate."""

    name: str
    """What the report calls it, e.g. `base` or `tuned`; unique among the candidates."""
    url: str
    """Where it answers, with or without the trailing `/v1`, e.g. `http://127.0.0.1:8639`."""
    model: str
    """Its model name at that endpoint."""
    quantisation: str = ""
    """llama.cpp's name of its type; empty where that isn't known."""
    bytes: int = 0
    """Size of its model file in bytes; 0 where that isn't known."""
