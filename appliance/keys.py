"""The file of API keys: who has one, and how often each may ask. A key itself is shown once and never stored.

Keys are random, 256 bits, so a plain SHA-256 of one can't be turned back. Knows nothing about HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bundle.atomic import write_json
from bundle.errors import SettingsError

PREFIX = "boffin-"
"""What a key begins with, so that people and scanners know one when they see it."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Key:
    """What is known of a key."""

    name: str
    """Whose it is."""
    sha256: str
    """Digest of the key."""
    created: date
    requests_a_minute: int = 0
    """How many requests are taken in a minute; 0 for any number."""
    origins: tuple[str, ...] = ()
    """Where there are some, the key is a public one: it stands in pages of these origins, and does for chats from
    them alone."""


_KEYS = TypeAdapter(list[Key])


def load_keys(path: Path) -> list[Key]:
    """The keys in a file.

    Raises:
        SettingsError: there is no such file, or it isn't one of keys.
    """
    try:
        return _KEYS.validate_json(path.read_bytes())
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; make the first key with `boffin keys add NAME`") from None
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{error.errors()[0]['msg']}"
        raise SettingsError(f"{path}: not a file of API keys ({reason}); mend it, or make a new one") from None


def add_key(path: Path, name: str, requests_a_minute: int = 0, origins: Sequence[str] = ()) -> str:
    """Make a key and note it in a file, which is made if there is none; returns the key. With origins it is public.

    Raises:
        SettingsError: the name is taken or can't be one; an origin isn't one, or there is no rate beside it.
    """
    origins = [origin.lower().removesuffix("/") for origin in origins]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(f"{origin!r} is no origin of pages; write it as https://docs.example.org")
    if origins and not requests_a_minute:
        raise SettingsError("a key for pages can be read by all their readers; give it a rate with --rate")
    keys = load_keys(path) if path.exists() else []
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} can't be a key's name; use letters, digits, dots, dashes and underscores")
    if any(key.name == name for key in keys):
        raise SettingsError(f"{path}: there is a key {name!r} already; revoke it first, or take another name")
    secret = PREFIX + secrets.token_urlsafe(32)
    _store(path, [*keys, Key(name, _digest(secret), datetime.now(UTC).date(), requests_a_minute, tuple(origins))])
    return secret


def revoke_key(path: Path, name: str) -> None:
    """Take a key out of a file.

    Raises:
        SettingsError: there is no such key.
    """
    keys = load_keys(path)
    rest = [key for key in keys if key.name != name]
    if len(rest) == len(keys):
        raise SettingsError(f"{path}: there is no key {name!r}; it has {', '.join(key.name for key in keys) or 'none'}")
    _store(path, rest)


def find_key(keys: Sequence[Key], secret: str) -> Key | None:
    """The key that was given, if it is one of these. Takes as long for a wrong one as for a right one."""
    digest, found = _digest(secret), None
    for key in keys:
        if hmac.compare_digest(key.sha256.encode(), digest.encode()):
            found = key
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _store(path: Path, keys: Sequence[Key]) -> None:
    write_json(path, [asdict(key) | {"created": key.created.isoformat()} for key in keys])
    path.chmod(0o600)
