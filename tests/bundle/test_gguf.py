"""The GGUF header: real files are taken, and whatever a hostile one claims is refused at once."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES

from bundle.gguf import CHAT_TEMPLATE, TYPES, GgufFault, read_header

from ..conftest import TEMPLATE, write_gguf

STRING, ARRAY, U8, U32 = 8, 9, 0, 4


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def pair(key: bytes, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def array(kind: int, count: int) -> bytes:
    return struct.pack("<IQ", kind, count)


def tensor(name: bytes = b"a", shape: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}qIQ", len(shape), *shape, kind, offset)


def header(*parts: bytes, tensors: int = 0, keys: int = 0, version: int = 3, magic: bytes = b"GGUF") -> bytes:
    return magic + struct.pack("<IQQ", version, tensors, keys) + b"".join(parts)


def fault(data: bytes, size: int | None = None) -> str:
    with pytest.raises(GgufFault) as caught:
        read_header(io.BytesIO(data), len(data) if size is None else size)
    return str(caught.value)


def test_a_real_file_is_read(tmp_path: Path) -> None:
    write_gguf(tmp_path / "x.gguf")
    size = (tmp_path / "x.gguf").stat().st_size
    with (tmp_path / "x.gguf").open("rb") as handle:
        found = read_header(handle, size)
    assert found.tensors == len(GGUFReader(tmp_path / "x.gguf").tensors) == 2
    assert found.metadata == {"general.architecture": "llama", CHAT_TEMPLATE: TEMPLATE}


def test_texts_across_the_blocks_are_passed_over(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_token_list([b"x" * (number % 97) for number in range(60_000)])
    writer.add_array("long", [b"y" * 3_000_000, b"", b"z"])
    writer.add_custom_alignment(64)
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("t", np.zeros((2, 32), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with (tmp_path / "x.gguf").open("rb") as handle:
        found = read_header(handle, (tmp_path / "x.gguf").stat().st_size)
    assert found.metadata[CHAT_TEMPLATE] == TEMPLATE and found.metadata["general.alignment"] == 64


def test_every_type_has_the_size_that_ggml_gives_it() -> None:
    known = {kind.value: (kind.name, *sizes) for kind, sizes in GGML_QUANT_SIZES.items()}
    assert known == TYPES


def test_a_file_cut_off_anywhere_is_told(tmp_path: Path) -> None:
    write_gguf(tmp_path / "x.gguf")
    whole = (tmp_path / "x.gguf").read_bytes()
    for size in range(0, 6_000, 97):
        assert fault(whole[:size]) in ("it ends in the middle of its header", "it doesn't begin with GGUF")
    assert "its tensors need" in fault(whole[:-1])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (header(magic=b"GGML"), "it doesn't begin with GGUF"),
        (header(version=1), "its version is 1, and 2 and 3 are known"),
        (header(version=0x03000000), "its version is 50331648"),
        (header(tensors=1 << 62), "it claims 4,611,686,018,427,387,904 tensors"),
        (header(keys=1 << 62), "it ends in the middle of its header"),
        (header(struct.pack("<Q", 60_000), b"k" * 50_000, keys=1), "it ends in the middle of its header"),
        (header(struct.pack("<Q", 70_000), b"k" * 70_000, keys=1), "a key of 70,000 bytes in it is too long"),
        (header(pair(b"\xff", U8, b"\0"), keys=1), "a key in it is not UTF-8"),
        (header(pair(b"k", U8, b"\0") * 2, keys=2), "its key 'k' comes twice"),
        (header(pair(b"k", 99, b"\0"), keys=1), "it has a value of the unknown type 99"),
        (header(pair(b"k", ARRAY, array(ARRAY, 1)), keys=1), "it has an array of the unknown type 9"),
        (header(pair(b"k", ARRAY, array(U32, 1 << 61)), keys=1), "it ends in the middle of its header"),
        (header(pair(b"k", ARRAY, array(STRING, 1 << 61)), keys=1), "it claims more than 4,000,000 texts"),
        (header(pair(b"k", STRING, struct.pack("<Q", (1 << 64) - 1)), keys=1), "it ends in the middle of its header"),
        (header(pair(CHAT_TEMPLATE.encode(), STRING, struct.pack("<Q", 1 << 30)), keys=1), "is too long"),
        (header(pair(b"general.alignment", U32, struct.pack("<I", 0)), keys=1), "its alignment is '0'"),
        (header(pair(b"general.alignment", U32, struct.pack("<I", 48)), keys=1), "its alignment is '48'"),
        (header(pair(b"general.alignment", STRING, text(b"32")), keys=1), "its alignment is '32'"),
        (header(tensor(b"n" * 64), tensors=1), "a tensor's name of 64 bytes in it is too long"),
        (header(tensor(shape=(1,) * 5), tensors=1), "its tensor 'a' has 5 dimensions"),
        (header(tensor(shape=(-32,)), tensors=1), "its tensor 'a' has the shape [-32]"),
        (header(tensor(shape=(32, 0)), tensors=1), "its tensor 'a' has the shape [32, 0]"),
        (header(tensor(kind=4), tensors=1), "its tensor 'a' is of the unknown type 4"),
        (header(tensor(shape=(33,), kind=8), tensors=1), "its tensor 'a' has rows of [33], which Q8_0 can't hold"),
        (header(tensor(offset=32), tensors=1), "its tensor 'a' lies at 32 and should at 0"),
        (header(tensor(), tensor(offset=128), tensors=2), "its tensor 'a' comes twice"),
        (header(tensor(), tensor(b"b", offset=0), tensors=2), "its tensor 'b' lies at 0 and should at 128"),
        (header(tensor(shape=(1 << 62, 1 << 62, 1 << 62)), tensors=1), "its tensors need"),
    ],
)
def test_what_can_not_be_is_refused(data: bytes, says: str) -> None:
    assert says in fault(data)


def test_a_large_claim_costs_no_memory() -> None:
    class Endless(io.RawIOBase):
        """A file of zeros after its header, as large as one likes."""

        def __init__(self, head: bytes) -> None:
            self.head = head

        def read(self, count: int = -1, /) -> bytes:
            data, self.head = self.head[:count], self.head[count:]
            return data or bytes(count)

    tracemalloc.start()
    for data in (
        header(pair(b"k", ARRAY, array(STRING, 1 << 40)), keys=1),
        header(keys=1 << 40),
        header(tensors=200_000),
        header(pair(b"k", ARRAY, array(STRING, 300_000)), keys=3),
        header(pair(CHAT_TEMPLATE.encode(), STRING, struct.pack("<Q", 1 << 40)), keys=1),
    ):
        with pytest.raises(GgufFault):
            read_header(Endless(data), 1 << 50)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20
