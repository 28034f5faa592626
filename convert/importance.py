"""The importance matrix: how strongly each column of each weight matrix is driven by the user's own training records.

As llama.cpp's tools/imatrix computes it: sums of squares of what each matrix is multiplied with, by llama.cpp's
evaluation callback, while the unquantised model reads the records. Written as the GGUF file that those tools read. The
matrices of a mixture's experts (MUL_MAT_ID) are left out. Knows nothing about quantisation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

from bundle.errors import ConvertError
from bundle.stage import Progress
from convert.ggml_tensor import MUL_MAT, Tensor
from convert.inference import BATCH, Inference
from convert.passages import LONGEST, Passage


@dataclass(frozen=True)
class Entry:
    """Of one weight matrix."""

    squares: npt.NDArray[np.float64]
    """Sum of the squares of each column's inputs, shape (columns,)."""
    count: int
    """How many inputs."""

    @property
    def means(self) -> npt.NDArray[np.float32]:
        """Mean square of each column's inputs: what the quantiser weighs its errors with."""
        return (self.squares / self.count).astype(np.float32)


@dataclass(frozen=True)
class ImportanceMatrix:
    """Of a whole model."""

    entries: dict[str, Entry]
    """Weight matrix's name → its entry."""
    tokens: int
    """How many tokens were read."""
    dataset: str
    """What was read, as it is noted in the files."""

    @property
    def chunks(self) -> int:
        """The tokens as llama.cpp's tools count them."""
        return -(-self.tokens // BATCH)

    def write(self, path: Path) -> None:
        """Write it in llama.cpp's GGUF format of importance matrices."""
        writer = gguf.GGUFWriter(path, "")
        writer.add_type(gguf.GGUFType.IMATRIX)
        writer.add_array("imatrix.datasets", [self.dataset])
        writer.add_uint32("imatrix.chunk_count", self.chunks)
        writer.add_uint32("imatrix.chunk_size", BATCH)
        for name, entry in sorted(self.entries.items()):
            writer.add_tensor(f"{name}.in_sum2", entry.squares.astype(np.float32).reshape(1, -1))
            writer.add_tensor(f"{name}.counts", np.array([[entry.count]], dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def compute_importance(
    file: Path, passages: Iterable[Passage], tokens: int, dataset: str, progress: Progress
) -> ImportanceMatrix:
    """Let the model in `file` read passages until `tokens` are read, or all are; `dataset` says what they are.

    The last layer sees only what a served model computes there: the places where a token of the answer is predicted.

    Raises:
        ConvertError: llama.cpp lays out its tensors otherwise than is known here, or a sum isn't finite.
    """
    collector = _Collector()
    read = 0
    with Inference(file, LONGEST, watcher=collector.watch) as inference:
        for passage in passages:
            if read >= tokens:
                break
            progress("Computing the importance matrix", min(read, tokens), tokens, "tokens")
            inference.logits(passage.tokens, passage.first)
            collector.check()
            read += len(passage.tokens)
    return ImportanceMatrix(collector.entries(), read, dataset)


class _Collector:
    """Adds up as llama.cpp computes."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        """What went wrong in the callback, which can't raise."""
        self._checked = False
        self._squares: dict[str, npt.NDArray[np.float64]] = {}
        self._counts: dict[str, int] = {}

    def watch(self, address: int, asks: bool) -> bool:
        """llama.cpp's callback: whether a tensor is wanted, then the tensor once it is computed."""
        try:
            tensor = Tensor(address)
            if not self._checked:
                tensor.check()
                self._checked = True
            if not asks:
                self._add(tensor)
                return True
            return self._wanted(tensor)
        except Exception as error:
            self.error = self.error or error
            return False

    def check(self) -> None:
        """Raise what went wrong in the callback."""
        if self.error:
            raise self.error

    def entries(self) -> dict[str, Entry]:
        """What was collected."""
        return {name: Entry(squares, self._counts[name]) for name, squares in self._squares.items()}

    def _wanted(self, tensor: Tensor) -> bool:
        return (
            tensor.operation == MUL_MAT
            and tensor.source(0).name.endswith(".weight")
            and tensor.source(0).shape[2:] == (1, 1)
            and tensor.source(1).is_float32
        )

    def _add(self, tensor: Tensor) -> None:
        name, rows = tensor.source(0).name, tensor.source(1).rows()
        squares = np.square(rows, dtype=np.float64).sum(axis=0)
        if not np.isfinite(squares).all():
            raise ConvertError(f"{name}: gets values that are no numbers; set `convert.merge_dtype` to float32")
        before = self._squares.setdefault(name, np.zeros_like(squares))
        if before.shape != squares.shape:
            raise ConvertError(f"{name}: is multiplied with rows of two lengths; set `convert.importance_bits` to 0")
        before += squares
        self._counts[name] = self._counts.get(name, 0) + len(rows)
