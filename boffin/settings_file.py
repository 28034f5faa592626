"""How settings are read: from boffin.toml, BOFFIN_ variables and flags, onto a typed tree of them.

Later ones win, also over what says the same otherwise (a part's `rivals`). A variable's name is the key's path in
capitals with two underscores for the dot: `BOFFIN_TRAINER__TIME_BUDGET=60`. An unknown key is an error that names the
nearest valid one. Reads no other file, and knows no room's settings.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bundle.errors import SettingsError
from bundle.settings import SettingsPart, parts_in

FILE = "boffin.toml"
PREFIX = "BOFFIN_"
NOT_SETTINGS = frozenset({"BOFFIN_BACKEND", "BOFFIN_API_KEY"})
"""Variables that aren't settings: of `make setup`, and the key that clients send."""

Part = TypeVar("Part", bound=SettingsPart)


def load_tree(
    tree: type[Part], folder: Path, assignments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Part:
    """The settings of the project in `folder`; `assignments` are flags of the form `trainer.time_budget=60`.

    Raises:
        SettingsError: no boffin.toml, not TOML, an unknown key or a value that can't be used; one line says where.
    """
    path = folder / FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: no such file; run `boffin init` here, or name the project's folder with -C"
        ) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    origins: dict[tuple[str, ...], str] = {}
    for layer in _layers(assignments, os.environ if environment is None else environment):
        _put_over(values, layer, tree)
        origins |= {key: origin for origin, key, _ in layer}
    try:
        return tree.model_validate(values)
    except ValidationError as error:
        # An unknown key first: a misspelt name is also reported as the absence of the right one.
        problems = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        raise SettingsError(_explain(problems[0], str(path), origins, tree)) from None


def load_part(
    kind: type[Part], place: tuple[str, ...], assignments: Sequence[str], environment: Mapping[str, str] | None
) -> Part:
    """One part of the tree without a project; settings of the other parts are none of its business."""
    values: dict[str, Any] = {}
    origins: dict[tuple[str, ...], str] = {}
    for layer in _layers(assignments, os.environ if environment is None else environment):
        ours = [one for one in layer if one[1][: len(place)] == place and len(one[1]) > len(place)]
        _put_over(values, [(origin, key[len(place) :], text) for origin, key, text in ours], kind)
        origins |= {key: origin for origin, key, _ in ours}
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise SettingsError(_explain(problem, "settings", origins, kind, place)) from None


_Override = tuple[str, tuple[str, ...], str]
"""Where a value is from, its key's path, and its text."""


def _layers(assignments: Sequence[str], environment: Mapping[str, str]) -> tuple[list[_Override], list[_Override]]:
    """What variables say, and over them flags."""
    variables: list[_Override] = [
        (name, tuple(name.removeprefix(PREFIX).lower().split("__")), environment[name])
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in NOT_SETTINGS
    ]
    flags: list[_Override] = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment}: write it as key=value, e.g. --set trainer.time_budget=60")
        flags.append((f"--set {key}", tuple(key.strip().split(".")), text.strip()))
    return variables, flags


def _put_over(values: dict[str, Any], layer: Sequence[_Override], tree: type[SettingsPart]) -> None:
    """Put a layer over those before it, of which its keys' rivals go."""
    keys = {key for _, key, _ in layer}
    for *place, name in keys:
        rivals = next((one.rivals for one in _models(tree, place)[:1] if issubclass(one, SettingsPart)), {})
        for rival in rivals.get(name, ()):
            if (*place, rival) not in keys:
                _take_away(values, (*place, rival))
    for origin, key, text in layer:
        _assign(values, key, _toml_value(text), origin)


def _take_away(values: dict[str, Any], key: tuple[str, ...]) -> None:
    found: Any = values
    for part in key[:-1]:
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, dict):
        found.pop(key[-1], None)


def _assign(values: dict[str, Any], key: tuple[str, ...], value: Any, origin: str) -> None:
    for part in key[:-1]:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise SettingsError(f"{origin}: {part!r} is not a table of settings")
    values[key[-1]] = value


def _toml_value(text: str) -> Any:
    """A value as TOML reads it, or the text itself where it isn't TOML (so that strings need no quotes)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _explain(
    problem: Any,
    where: str,
    origins: Mapping[tuple[str, ...], str],
    tree: type[SettingsPart],
    place: tuple[str, ...] = (),
) -> str:
    """One line about what pydantic finds wrong with a tree that stands at a place of the whole one."""
    location = (*place, *problem["loc"])
    # After the number of a source or a candidate pydantic puts its kind.
    key = re.sub(r"(\.\d+)\.\w+(?=\.)", r"\1", ".".join(str(part) for part in location))
    names = tuple(part for part in location if isinstance(part, str))
    inside = names[len(place) :]
    where = next((origin for path, origin in origins.items() if path[: len(names)] == names), where)
    if problem["type"] == "extra_forbidden":
        valid = _fields(tree, inside[:-1])
        near = difflib.get_close_matches(names[-1], valid, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"valid here: {', '.join(sorted(valid))}"
        return f"{where}: unknown key `{key}`; {hint}"
    if problem["type"].startswith("union_tag"):
        kinds = ", ".join(sorted(one.model_fields["kind"].default for one in _models(tree, inside)))
        return f"{where}: `{key}.kind` is none of the kinds that there are; write one of {kinds}"
    if problem["type"] == "missing":
        return f"{where}: `{key}` is missing; add it (`boffin init` writes a commented example)"
    return f"{where}: `{key}`: {problem['msg'].removeprefix('Value error, ')}"


def _fields(model: type[BaseModel], names: Sequence[str]) -> list[str]:
    """The valid keys at a place in the tree."""
    return [name for one in _models(model, names)[:1] for name in one.model_fields]


def _models(model: type[BaseModel], names: Sequence[str]) -> list[type[BaseModel]]:
    """What may stand at a place in the tree; a source's or a candidate's kind is a name of its own in it."""
    models = [model]
    for name in names:
        tagged = [one for one in models if "kind" in one.model_fields and one.model_fields["kind"].default == name]
        fields = [one.model_fields[name] for one in models if name in one.model_fields]
        models = tagged or [one for field in fields[:1] for one in parts_in(field.annotation)]
    return models
