"""Which keys do what: every binding of the chat, as the settings rebind it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode

from bundle.errors import SettingsError


def unlisted(key: str, action: str, name: str, identity: str, tooltip: str) -> Binding:
    """A binding that the footer has no room for; help and palette show it. The prompt's own keys come after it."""
    return Binding(key, action, name, id=identity, show=False, priority=True, tooltip=tooltip)


def bindings_of(owner: type[DOMNode], keys: Mapping[str, str]) -> list[Binding]:
    """A class's own bindings, with the keys that the settings give them."""
    own = [binding for binding in owner.BINDINGS if isinstance(binding, Binding)]
    return [replace(binding, key=keys.get(binding.id or "", binding.key)) for binding in own]


def keys_shown(app: App[None], binding: Binding) -> str:
    """A binding's keys as they are shown, e.g. `^y`."""
    return " ".join(app.get_key_display(replace(binding, key=key.strip())) for key in binding.key.split(","))


def check_keys(owners: Sequence[type[DOMNode]], at_once: Sequence[type[DOMNode]], keys: Mapping[str, str]) -> None:
    """See that each id that is given another key exists, and that no key of those that are there `at_once` is taken.

    Raises:
        SettingsError: one doesn't, and the nearest is named; or one is.
    """
    known = [binding.id for owner in owners for binding in bindings_of(owner, {}) if binding.id]
    for name in keys:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "F1 in the chat shows them all"
            raise SettingsError(f"appliance.chat.keys: no action has the id {name!r}; {hint}")
    users: dict[str, str] = {}
    bound = [binding for owner in at_once for binding in bindings_of(owner, keys)]
    for binding in sorted(bound, key=lambda one: one.id in keys):
        for key in binding.key.split(","):
            user = users.setdefault(key.strip(), binding.id or "")
            if user != binding.id:
                raise SettingsError(f"appliance.chat.keys: {key.strip()!r} is taken by {user!r}; give that one another")
