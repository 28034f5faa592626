"""Whether the disk has room for a bundle in the making. Knows nothing about how it is made."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from safetensors import SafetensorError, safe_open

from bundle.errors import ConvertError
from convert.settings import ConvertSettings

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_MARGIN = 1.1


def check_room(base: Path, settings: ConvertSettings, merging: bool, files: int, out: Path) -> None:
    """Refuse early when the disk can't hold the intermediate files and the bundle, each at its largest.

    Raises:
        ConvertError: there is too little room, or the base's weights can't be read.
    """
    try:
        parameters = sum(_parameters(file) for file in base.glob("*.safetensors"))
    except (OSError, SafetensorError) as error:
        raise ConvertError(f"{base}: the base's weights can't be read ({error}); fetch it anew") from None
    if not parameters:
        raise ConvertError(f"{base}: no weights (*.safetensors) here; fetch the base model anew")
    full = parameters * _BYTES[settings.merge_dtype]
    need, room = (full * (merging + 1) + files * full) * _MARGIN, shutil.disk_usage(out).free
    if room < need:
        raise ConvertError(
            f"{out}: converting may take {need / 1e6:,.0f} MB and {room / 1e6:,.0f} MB are free; free some space"
        )


def _parameters(file: Path) -> int:
    with safe_open(file, framework="numpy") as weights:
        shapes = (weights.get_slice(name).get_shape() for name in weights.keys())  # noqa: SIM118  (not a mapping)
        return sum(math.prod(shape) for shape in shapes)
