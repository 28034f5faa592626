"""`boffin verify` and `boffin bundle`, as a person types them: archives, pipes, signatures, and each fault's line."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from backports import zstd
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from boffin.cli import main
from boffin.signature import check, fingerprint, public_keys, sign
from boffin.stages import STAGES
from boffin.workspace import Stamp, now, write_stamp
from bundle.digests import digest_file, digest_value
from bundle.errors import BundleError, SettingsError
from bundle.manifest import CARD, MANIFEST, SIGNATURE, load_manifest, seal, verify
from bundle.records import EVAL, TRAIN, Provenance, Record, write_records
from evaluation.estimate import Estimate
from evaluation.report import Report

from ..conftest import seal_bundle, write_gguf

Key = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
KEYS: dict[str, Callable[[], Key]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-521": lambda: ec.generate_private_key(ec.SECP521R1()),
}
SSH_KEYGEN = shutil.which("ssh-keygen")


def save_key(path: Path, kind: str = "ed25519") -> Path:
    """Write a key pair as OpenSSH does: `path` and `path`.pub."""
    key = KEYS[kind]()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    path.with_name(f"{path.name}.pub").write_bytes(public + b" me@here\n")
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return save_key(tmp_path / "mine")


@dataclass(frozen=True)
class Run:
    """What a command ended with, wrote and said."""

    returncode: int
    stdout: bytes
    stderr: bytes


def boffin(*arguments: object, at: Path, given: bytes | None = None) -> Run:
    """Run a command in this process, as the console command does."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = {"stdin": io.BytesIO(given or b""), "stdout": out, "stderr": err}
    patched = {name: io.TextIOWrapper(stream, write_through=True) for name, stream in streams.items()}
    code: object = 0
    with chdir(at), patch.multiple(sys, argv=["boffin", *map(str, arguments)], **patched):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Run(int(str(code or 0)), out.getvalue(), err.getvalue())


def done(*arguments: object, at: Path, given: bytes | None = None) -> str:
    run = boffin(*arguments, at=at, given=given)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode().strip()


def refused(*arguments: object, at: Path, given: bytes | None = None) -> str:
    run = boffin(*arguments, at=at, given=given)
    said = [line for line in run.stderr.decode().splitlines() if not line.startswith("  ")]
    assert run.returncode == 1 and len(said) == 1 and said[0].startswith("boffin: "), run.stderr.decode()
    return said[0].removeprefix("boffin: ")


def test_a_bundle_goes_into_an_archive_and_out_again(bundle: Path, tmp_path: Path, key: Path) -> None:
    assert done("verify", "bundle", at=tmp_path).endswith("MB, all as sealed; not signed")
    name = fingerprint(public_keys(tmp_path / "mine.pub")[0])
    assert "packed into pocket.tar.zst, " in done("bundle", "pack", "--bundle", "bundle", "--sign", key, at=tmp_path)
    first = (tmp_path / "pocket.tar.zst").read_bytes()
    done("bundle", "pack", "--bundle", "bundle", "--sign", key, at=tmp_path)
    assert (tmp_path / "pocket.tar.zst").read_bytes() == first  # the same bytes every time

    signed = ("--signer", "mine.pub")
    assert done("verify", "pocket.tar.zst", *signed, at=tmp_path).endswith(f"all as sealed; signed by {name}")
    assert "unpacked into pocket" in done("bundle", "unpack", "pocket.tar.zst", *signed, at=tmp_path)
    assert done("verify", "pocket", *signed, at=tmp_path).endswith(f"signed by {name}")
    assert verify(tmp_path / "pocket") == load_manifest(bundle)
    assert (tmp_path / "pocket" / CARD).read_text().startswith("---\n")
    assert not list(tmp_path.glob(".*"))


def test_it_goes_through_pipes(bundle: Path, tmp_path: Path) -> None:
    run = boffin("bundle", "pack", "-", "--bundle", "bundle", at=tmp_path)
    assert run.returncode == 0 and b"packed into standard output" in run.stderr
    assert "all as sealed" in done("verify", "-", at=tmp_path, given=run.stdout)
    assert "unpacked into there" in done("bundle", "unpack", "-", "there", at=tmp_path, given=run.stdout)
    assert verify(tmp_path / "there") == load_manifest(bundle)


def test_each_fault_of_a_bundle_has_its_own_line(bundle: Path, tmp_path: Path) -> None:
    model = bundle / "pocket-Q8_0.gguf"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    assert f"{model}: cut short" in refused("verify", "bundle", at=tmp_path)
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert f"{model}: not the file that was sealed" in refused("verify", "bundle", at=tmp_path)
    model.unlink()
    assert f"{model}: missing from the bundle" in refused("verify", "bundle", at=tmp_path)
    model.write_bytes(whole)
    (bundle / "more.gguf").write_bytes(whole)
    assert f"{bundle / 'more.gguf'}: not a file of this bundle" in refused("verify", "bundle", at=tmp_path)
    assert "no bundle here" in refused("verify", "nowhere", at=tmp_path)
    assert "neither a bundle's folder nor an archive" in refused("verify", model, at=tmp_path)


def test_each_fault_of_an_archive_has_its_own_line(bundle: Path, tmp_path: Path) -> None:
    done("bundle", "pack", "x.tar.zst", "--bundle", "bundle", at=tmp_path)
    whole = (tmp_path / "x.tar.zst").read_bytes()
    unpack = ("bundle", "unpack", "-", "there")
    for size in (len(whole) // 2, len(whole) - 1):
        assert "standard input: cut short; copy it anew" in refused(*unpack, at=tmp_path, given=whole[:size])
    for at in (10, len(whole) // 2, len(whole) - 1):
        changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        refused(*unpack, at=tmp_path, given=changed)
    assert "cut short" in refused(*unpack, at=tmp_path, given=b"")
    assert "damaged, or not zstd" in refused(*unpack, at=tmp_path, given=b"PK\3\4" * 100)
    assert "goes on after its end" in refused(*unpack, at=tmp_path, given=whole + zstd.compress(b"more"))
    huge = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 1}
    with zstd.ZstdFile(tmp_path / "huge.zst", "w", options=huge) as handle:
        handle.write(bytes(1 << 20))
    assert "memory" in refused("verify", "huge.zst", at=tmp_path)
    assert not (tmp_path / "there").exists() and not list(tmp_path.glob(".there*"))
    assert "no such archive" in refused("bundle", "unpack", "nowhere.tar.zst", at=tmp_path)
    assert "say which folder" in refused("bundle", "unpack", "-", at=tmp_path, given=whole)
    assert "no such folder" in refused("bundle", "pack", "no/x.tar.zst", "--bundle", "bundle", at=tmp_path)


def test_a_bundle_that_is_not_whole_leaves_no_archive(bundle: Path, tmp_path: Path) -> None:
    (bundle / "symbols.json").write_text("{'packages': {}}")
    line = refused("bundle", "pack", "--bundle", "bundle", at=tmp_path)
    assert "symbols.json: not the file that was sealed" in line
    assert not list(tmp_path.glob("*.zst")) and not list(tmp_path.glob(".*"))
    run = boffin("bundle", "pack", "-", "--bundle", "bundle", at=tmp_path)
    assert run.returncode == 1
    refused("verify", "-", at=tmp_path, given=run.stdout)


def test_a_zstd_bomb_is_refused_without_being_blown_up(tmp_path: Path) -> None:
    with zstd.ZstdFile(tmp_path / "bomb.tar.zst", "w", level=1) as handle:
        for _ in range(256):
            handle.write(bytes(1 << 20))
    assert (tmp_path / "bomb.tar.zst").stat().st_size < 100_000
    assert "no archive of a bundle" in refused("verify", "bomb.tar.zst", at=tmp_path)


def test_killed_in_the_middle_it_leaves_nothing_that_looks_like_a_bundle(bundle: Path, tmp_path: Path) -> None:
    done("bundle", "pack", "x.tar.zst", "--bundle", "bundle", at=tmp_path)
    whole = (tmp_path / "x.tar.zst").read_bytes()
    with subprocess.Popen(
        [sys.executable, "-m", "boffin", "bundle", "unpack", "-", "there"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stderr
        process.stdin.write(whole[: len(whole) * 3 // 4])
        process.stdin.flush()
        assert b"Unpacking pocket" in process.stderr.readline()
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "there").exists()
    (left,) = tmp_path.glob(".there.*.partial")
    with pytest.raises(BundleError, match="no bundle here"):
        load_manifest(left)
    done("bundle", "unpack", "x.tar.zst", "there", at=tmp_path)
    verify(tmp_path / "there")
    assert not left.exists()


def test_memory_does_not_grow_with_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    write_gguf(tmp_path / "bundle" / "pocket-F32.gguf", megabytes=100 * 4)
    seal_bundle(tmp_path / "bundle")
    for arguments in (
        ("bundle", "pack", "x.tar.zst", "--bundle", "bundle"),
        ("verify", "x.tar.zst"),
        ("bundle", "unpack", "x.tar.zst"),
        ("verify", "x"),
    ):
        code = (
            "import resource, sys; import boffin.bundles; from boffin.cli import app\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "try:\n    app(sys.argv[1:])\n"
            "finally:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        run = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert int(run.stdout.split()[-1]) < 40_000, arguments  # KiB, of a file of 100 MiB
    verify(tmp_path / "x")


def test_the_projects_own_bundle_is_meant_where_none_is_named(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "boffin.toml").write_text(
        '[project]\nname = "pocket"\nbase = "x"\n[[curation.sources]]\nkind = "package"\npackages = ["json"]\n'
    )
    assert "no bundle here" in refused("verify", at=tmp_path)
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "bundle").symlink_to(bundle)
    (tmp_path / "out").mkdir()
    assert "all as sealed" in done("verify", "-C", tmp_path, at=tmp_path / "out")
    done("bundle", "pack", "-C", tmp_path, "out", at=tmp_path)
    assert "all as sealed" in done("verify", "pocket.tar.zst", at=tmp_path / "out")
    assert "boffin.toml: no such file" in refused("verify", at=tmp_path / "out")


def test_a_signature_is_told_from_none_and_from_anothers(bundle: Path, tmp_path: Path, key: Path) -> None:
    other = save_key(tmp_path / "other")
    mine, theirs = ("--signer", "mine.pub"), ("--signer", "other.pub")
    assert "not signed, and a signature was asked for" in refused("verify", "bundle", *mine, at=tmp_path)
    done("bundle", "sign", "--key", key, "--bundle", "bundle", at=tmp_path)
    assert "signed by SHA256:" in done("verify", "bundle", *mine, at=tmp_path)
    assert "whoever that is" in done("verify", "bundle", at=tmp_path)
    assert "made with another key (SHA256:" in refused("verify", "bundle", *theirs, at=tmp_path)

    done("bundle", "pack", "x.tar.zst", "--bundle", "bundle", at=tmp_path)  # the signature goes along
    unpack = ("bundle", "unpack", "x.tar.zst", "there")
    assert "made with another key" in refused(*unpack, *theirs, at=tmp_path)
    assert not (tmp_path / "there").exists() and not list(tmp_path.glob(".there*"))
    done(*unpack, *mine, at=tmp_path)

    text = (bundle / MANIFEST).read_text()
    (bundle / MANIFEST).write_text(text.replace('"apache-2.0"', '"mit"'))  # no digest tells this
    verify(bundle)
    for signer in (mine, ()):
        assert "not of this manifest" in refused("verify", "bundle", *signer, at=tmp_path)
    assert "not of this manifest" in refused("bundle", "pack", "--bundle", "bundle", at=tmp_path)
    (bundle / MANIFEST).write_text(text)
    (bundle / SIGNATURE).write_text("nothing")
    assert "no signature that can be read" in refused("verify", "bundle", at=tmp_path)
    done("bundle", "sign", "--key", other, "--bundle", "bundle", at=tmp_path)
    done("verify", "bundle", *theirs, at=tmp_path)


@pytest.mark.parametrize("kind", KEYS)
def test_every_kind_of_key_signs(tmp_path: Path, kind: str) -> None:
    key = save_key(tmp_path / "key", kind)
    signature, signers = sign(b"message", key), public_keys(tmp_path / "key.pub")
    assert check(b"message", signature, "here", signers) == fingerprint(signers[0])
    with pytest.raises(BundleError, match="not of this manifest"):
        check(b"Message", signature, "here", signers)
    body = signature.splitlines()
    for number in range(1, len(body) - 1):
        line = bytearray(body[number])
        line[5] = ord("A") if line[5] != ord("A") else ord("B")
        with pytest.raises(BundleError):
            check(b"message", b"\n".join([*body[:number], bytes(line), *body[number + 1 :]]), "here", signers)


@pytest.mark.skipif(not SSH_KEYGEN, reason="there is no ssh-keygen")
@pytest.mark.parametrize("kind", KEYS)
def test_openssh_takes_our_signatures_and_we_take_its(tmp_path: Path, kind: str) -> None:
    assert SSH_KEYGEN
    key = save_key(tmp_path / "key", kind)
    (tmp_path / "allowed").write_text(f"me {(tmp_path / 'key.pub').read_text()}")
    (tmp_path / "ours.sig").write_bytes(sign(b"message", key))
    command = [SSH_KEYGEN, "-Y", "verify", "-f", "allowed", "-I", "me", "-n", "boffin-bundle", "-s", "ours.sig"]
    assert subprocess.run(command, cwd=tmp_path, input=b"message", capture_output=True, check=False).returncode == 0
    assert subprocess.run(command, cwd=tmp_path, input=b"massage", capture_output=True, check=False).returncode != 0

    (tmp_path / "message").write_bytes(b"message")
    for name, works in (("boffin-bundle", True), ("file", False)):
        (tmp_path / "message.sig").unlink(missing_ok=True)
        command = [SSH_KEYGEN, "-q", "-Y", "sign", "-n", name, "-f", "key", "message"]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        theirs = (tmp_path / "message.sig").read_bytes()
        if works:
            check(b"message", theirs, "here", public_keys(tmp_path / "key.pub"))
        else:
            with pytest.raises(BundleError, match="a signature for something else"):
                check(b"message", theirs, "here")


def test_a_key_that_can_not_be_used_is_one_line(tmp_path: Path, key: Path) -> None:
    for path, says in (
        (tmp_path / "nowhere", "no such key file"),
        (tmp_path, "no such key file"),
        (tmp_path / "mine.pub", "no private key of OpenSSH"),
    ):
        with pytest.raises(SettingsError, match=says):
            sign(b"message", path)
    short = tmp_path / "short"
    private = rsa.generate_private_key(65537, 1024)
    short.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    with pytest.raises(SettingsError, match="nobody should trust"):
        sign(b"message", short)
    (tmp_path / "empty.pub").write_text("# none\n\n")
    for path, says in ((tmp_path / "empty.pub", "holds no key"), (key, "no public key of OpenSSH")):
        with pytest.raises(SettingsError, match=says):
            public_keys(path)
    if SSH_KEYGEN:
        locked = tmp_path / "locked"
        subprocess.run([SSH_KEYGEN, "-q", "-t", "ed25519", "-N", "secret", "-f", locked], check=True)
        with pytest.raises(SettingsError, match="has a passphrase"):
            sign(b"message", locked)


def test_the_card_tells_what_the_project_knows_of_this_very_bundle(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "boffin.toml").write_text(
        '[project]\nname = "pocket"\nbase = "x"\n[[curation.sources]]\nkind = "package"\npackages = ["json"]\n'
    )
    workspace = tmp_path / "workspace"
    (workspace / "dataset").mkdir(parents=True)
    for name, count in ((TRAIN, 3), (EVAL, 2)):
        provenance = Provenance(source="package", package="x", version="1", symbol="x.y", kind="usage", licence="MIT")
        write_records(
            workspace / "dataset" / name, [Record(instruction="How?", output="So.", provenance=provenance)] * count
        )
    digest = digest_value({name: digest_file(workspace / "dataset" / name) for name in (TRAIN, EVAL)})
    seal(bundle, load_manifest(bundle).model_copy(update={"dataset_digest": digest}))
    (workspace / "bundle").symlink_to(bundle)
    (workspace / "report").mkdir()
    estimate = Estimate(mean=1.25, low=1.0, high=1.5)
    report = Report(
        candidates={"base <b>": {"loss": estimate}},
        pairs={},
        order=["base <b>"],
        models={"base <b>": "pocket Q8_0"},
        questions=2,
        held_out=2,
        seed=1,
        sampling={},
        concurrency=1,
        seconds=1.0,
        dataset_digest="",
        template_digest="",
    )
    (workspace / "report" / "report.json").write_text(report.model_dump_json())
    content = STAGES["bundle"].content(bundle)
    stamp = Stamp(stage="evaluate", inputs={}, content="", came_in="", went_out="", seconds=1, finished=now())

    def card(inputs: dict[str, str]) -> str:
        write_stamp(workspace / "report", stamp.model_copy(update={"inputs": inputs}))
        done("bundle", "pack", "x.tar.zst", at=tmp_path)
        shutil.rmtree(tmp_path / "x", ignore_errors=True)
        done("bundle", "unpack", "x.tar.zst", at=tmp_path)
        return (tmp_path / "x" / CARD).read_text()

    text = card({"bundle": content})
    assert "| records in it | 3 to train on, 2 held out |" in text
    assert "## Evaluation" in text and "1.25" in text and "base \\<b\\>" in text
    assert "## Evaluation" not in card({"bundle": "of another"})
    write_records(workspace / "dataset" / EVAL, [])
    assert "records in it" not in card({"bundle": content})
