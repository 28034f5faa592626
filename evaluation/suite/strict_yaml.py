"""YAML from strangers, as plain texts, lists and mappings.

Every scalar stays text (`yes` and `3.11`, too), so nothing is converted at a cost that the file chooses. Anchors,
aliases and tags are refused, and so are keys that come twice. Knows nothing about questions.
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_CHARACTERS = 1_000_000
"""Characters of a document; PyYAML takes some seconds for so many."""
_MAX_DEPTH = 20


class StrictYamlError(Exception):
    """What is wrong, in a few words."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what)
        self.line = line
        """The document's line, from 1; 0 where there is none to name."""


class _Loader(yaml.BaseLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise StrictYamlError("anchors and aliases (& and *) aren't taken; write it out, or put it in quotes", line)
        if event.tag not in (None, "!"):
            raise StrictYamlError("tags (!) aren't taken; leave it out, or put the text in quotes", line)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise StrictYamlError(f"nested more than {_MAX_DEPTH} deep", line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise StrictYamlError("a key has to be a plain text", key.start_mark.line + 1)
            if key.value in seen:
                raise StrictYamlError(f"the key {key.value[:60]!r} comes twice", key.start_mark.line + 1)
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep))


def read_yaml(text: str) -> Any:
    """The one document of a text: a str, a list or a dict of these; None where it is empty.

    Raises:
        StrictYamlError: it is no YAML, or has what isn't taken.
    """
    if len(text) > MAX_CHARACTERS:
        raise StrictYamlError(f"more than {MAX_CHARACTERS:,} characters")
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "it can't be read"
        raise StrictYamlError(f"no YAML: {what}", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise StrictYamlError(f"no YAML: {' '.join(str(error).split())[:200]}") from None
    except RecursionError:
        raise StrictYamlError("nested too deeply") from None
