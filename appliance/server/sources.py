"""What an answer rests on, and what became of its code, as replies tell it. Knows nothing about how it was found."""

from __future__ import annotations

from typing import Any

from appliance.checking import Checked
from appliance.citing import Cited
from appliance.server.answering import Answering
from bundle.grounding import Grounding


def read_by(answering: Answering) -> dict[str, Any]:
    """What was read for an answer, and by which adapter (empty for the expert alone)."""
    return {"sources": _sources(answering.grounding), "adapter": answering.requests[0].adapter}


def _sources(grounding: Grounding) -> list[dict[str, Any]]:
    """What the model read, best first: each passage's number, where it is from, and its text as it was read."""
    names = ("title", "symbol", "kind", "package", "version", "licence", "attribution", "url", "verified")
    return [
        {
            "number": number,
            **{name: getattr(source.passage, name) for name in names},
            "text": source.text,
        }
        for number, source in enumerate(grounding.sources, start=1)
    ]


def annotations_of(cited: Cited, grounding: Grounding) -> list[dict[str, Any]]:
    """The citations of an answer as OpenAI's responses have them, with the passage's number; docstrings have no URL."""
    return [
        {
            "type": "url_citation",
            "start_index": one.start,
            "end_index": one.end,
            "url": grounding.sources[one.number - 1].passage.url,
            "title": grounding.sources[one.number - 1].passage.title,
            "number": one.number,
        }
        for one in cited.citations
    ]


def chat_annotations_of(cited: Cited, grounding: Grounding) -> list[dict[str, Any]]:
    """The same in the form of OpenAI's chats."""
    return [
        {"type": one["type"], one["type"]: {name: value for name, value in one.items() if name != "type"}}
        for one in annotations_of(cited, grounding)
    ]


def check_of(checked: Checked) -> dict[str, Any]:
    """A code block's place in the answer's text, and what in it doesn't exist."""
    names = ("line", "name", "problem", "nearest")
    findings = [{name: getattr(finding, name) for name in names} for finding in checked.findings]
    return {**{name: getattr(checked, name) for name in ("block", "start", "end", "error")}, "findings": findings}
