"""Signatures of a bundle's manifest, in the format and with the keys of OpenSSH (its PROTOCOL.sshsig).

What is made here `ssh-keygen -Y verify` takes, and what `ssh-keygen -Y sign` makes is taken here. Reading keys and all
the arithmetic are the cryptography package's. Knows nothing about bundles.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from bundle.errors import BundleError, SettingsError

NAMESPACE = b"boffin-bundle"
"""What a signature is for, so that one that was given for something else can't be passed off as one of these."""
_MAGIC = b"SSHSIG"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_RSA_HASHES = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
_CURVES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_SHORTEST_RSA = 2048
_LARGEST_FILE = 1 << 20


class _Parts(NamedTuple):
    """What a signature's file holds."""

    key: bytes
    namespace: bytes
    reserved: bytes
    hash_name: bytes
    signature: bytes


def sign(message: bytes, key_file: Path) -> bytes:
    """The signature of a message with the private key in a file, as the text of a `.sig` file.

    Raises:
        SettingsError: the key can't be used.
    """
    remedy = f"or sign by `ssh-keygen -Y sign -n {NAMESPACE.decode()} -f KEY manifest.json`"
    try:
        key = load_ssh_private_key(_read(key_file), password=None)
    except TypeError:
        raise SettingsError(f"{key_file}: the key has a passphrase; take one without, {remedy}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(f"{key_file}: no private key of OpenSSH; make one by `ssh-keygen -t ed25519`") from None
    data = _signed(NAMESPACE, b"", b"sha512", message)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        made = _string(b"ssh-ed25519") + _string(key.sign(data))
    elif isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SHORTEST_RSA:
        made = _string(b"rsa-sha2-512") + _string(key.sign(data, padding.PKCS1v15(), hashes.SHA512()))
    elif isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(_CURVES[key.curve.name])))
        kind = _take(_blob(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)))[0]
        made = _string(kind) + _string(_string(_number(r)) + _string(_number(s)))
    else:
        raise SettingsError(f"{key_file}: a key that nobody should trust any more; make one by `ssh-keygen -t ed25519`")
    public = _blob(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    parts = [public, NAMESPACE, b"", b"sha512", made]
    packed = _MAGIC + struct.pack(">I", 1) + b"".join(map(_string, parts))
    lines = textwrap.wrap(base64.b64encode(packed).decode(), 70)
    return "\n".join([_BEGIN, *lines, _END, ""]).encode()


def public_keys(path: Path) -> list[bytes]:
    """The keys in a file of OpenSSH public keys (`.pub`), one a line.

    Raises:
        SettingsError: there is none in it, or a line isn't one.
    """
    keys = []
    for line in _read(path).splitlines():
        if line.strip() and not line.lstrip().startswith(b"#"):
            try:
                load_ssh_public_key(line.strip())
                keys.append(_blob(line.strip()))
            except (ValueError, IndexError, UnsupportedAlgorithm):
                raise SettingsError(f"{path}: no public key of OpenSSH; name the signer's .pub file") from None
    if not keys:
        raise SettingsError(f"{path}: holds no key; name the .pub file of the signer's key")
    return keys


def check(message: bytes, signature: bytes, where: str, signers: Sequence[bytes] | None = None) -> str:
    """Check a signature of a message; returns the fingerprint of the key that made it.

    With `signers` it has to be one of theirs; without, it is only known that whoever has the key signed this message.

    Raises:
        BundleError: it is damaged, of another message, or of another key; `where` is how it is called.
    """
    try:
        parts = _parse(signature)
        name = fingerprint(parts.key)
        if parts.namespace != NAMESPACE:
            raise BundleError(f"{where}: a signature for something else ({parts.namespace[:40]!r}); ask for another")
        _verify(parts, message)
    except InvalidSignature:
        raise BundleError(f"{where}: not of this manifest, which may have been changed; don't use it") from None
    except (ValueError, struct.error, binascii.Error, UnsupportedAlgorithm):
        raise BundleError(f"{where}: no signature that can be read; copy it anew, or ask for another") from None
    if signers is not None and parts.key not in signers:
        raise BundleError(f"{where}: made with another key ({name}); do not use this bundle, or name its signer")
    return name


def fingerprint(key: bytes) -> str:
    """How OpenSSH shows a public key, e.g. `SHA256:` and 43 letters."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _verify(parts: _Parts, message: bytes) -> None:
    kind, made = _take(parts.signature)[0], _take(_take(parts.signature)[1])[0]
    key_kind = _take(parts.key)[0]
    key = load_ssh_public_key(key_kind + b" " + base64.b64encode(parts.key))
    data = _signed(parts.namespace, parts.reserved, parts.hash_name, message)
    if isinstance(key, ed25519.Ed25519PublicKey) and kind == b"ssh-ed25519":
        key.verify(made, data)
    elif isinstance(key, rsa.RSAPublicKey) and kind in _RSA_HASHES and key.key_size >= _SHORTEST_RSA:
        key.verify(made, data, padding.PKCS1v15(), _RSA_HASHES[kind])
    elif isinstance(key, ec.EllipticCurvePublicKey) and kind == key_kind and key.curve.name in _CURVES:
        r, rest = _take(made)
        s, _ = _take(rest)
        whole = utils.encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
        key.verify(whole, data, ec.ECDSA(_CURVES[key.curve.name]))
    else:
        raise ValueError("a kind of key or signature that isn't taken")


def _parse(text: bytes) -> _Parts:
    lines = text.decode("ascii").strip().splitlines()
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise ValueError("not armoured")
    packed = base64.b64decode("".join(lines[1:-1]), validate=True)
    if packed[:6] != _MAGIC or struct.unpack(">I", packed[6:10]) != (1,):
        raise ValueError("not of version 1")
    found, rest = [], packed[10:]
    for _ in _Parts._fields:
        part, rest = _take(rest)
        found.append(part)
    if rest:
        raise ValueError("goes on after its end")
    return _Parts(*found)


def _signed(namespace: bytes, reserved: bytes, hash_name: bytes, message: bytes) -> bytes:
    """What the key really signs."""
    if hash_name not in _HASHES:
        raise ValueError("an unknown hash")
    digest = _HASHES[hash_name](message).digest()
    return _MAGIC + b"".join(map(_string, [namespace, reserved, hash_name, digest]))


def _blob(line: bytes) -> bytes:
    """The key itself in a line of a `.pub` file."""
    return base64.b64decode(line.split()[1], validate=True)


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    """The first of several strings, and the rest."""
    end = 4 + struct.unpack(">I", data[:4])[0]
    if end > len(data):
        raise ValueError("cut short")
    return data[4:end], data[end:]


def _number(value: int) -> bytes:
    """A positive number as SSH writes it: big-endian, with a leading zero where it would look negative."""
    return value.to_bytes(value.bit_length() // 8 + 1)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            return handle.read(_LARGEST_FILE)
    except (FileNotFoundError, IsADirectoryError):
        raise SettingsError(f"{path}: no such key file; check its name") from None
