"""Encodes arrays of numbers as compressed bytes, without losing a bit.

Neighbours in a column are alike: seeds count up, and the losses of one run fall smoothly. So numbers are stored as
differences, one plane of bytes after the other, and zstd compresses the planes. Float64 numbers that float32 holds
exactly, as those of a run in float32, take half the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

ZSTD_LEVEL = 1
"""Higher levels take several times as long and save 3 % of the bytes of a trace."""

TRACE_DIFFERENCES = 2
"""Differences of differences: the loss between two kept steps changes almost as it did between the two before."""


def encode_array(values: NDArray[Any], differences: int = 0) -> bytes:
    """Encode numbers.

    :param values: shape `(runs,)`, or `(runs, width)` with the numbers of each run.
    :param differences: how often numbers are replaced by differences: from run to run, or along `width`.
    """
    import numpy as np
    from zstandard import ZstdCompressor

    narrow = _narrow_floats(values) if values.dtype.kind == "f" else values.astype(np.int64)
    little = narrow.T.astype(narrow.dtype.newbyteorder("<"), order="C")
    numbers = little.view(f"<i{narrow.itemsize}")
    for order in range(1, differences + 1):
        changed = numbers.copy()
        changed[order:] -= numbers[order - 1 : -1]  # wraps around, and back when it is decoded
        numbers = changed
    if narrow.dtype.kind == "i":
        numbers = _narrow_integers(numbers)
    bits = 8 * numbers.itemsize
    folded = (numbers << 1) ^ (numbers >> (bits - 1))  # a small negative number gets leading zeros too
    planes = folded.reshape(-1).view(np.uint8).reshape(-1, numbers.itemsize).T
    width = values.shape[1] if values.ndim == 2 else 0
    head = f"{values.dtype.str[1:]} {narrow.dtype.str[1:]} {numbers.itemsize} {width} {differences}\n"
    return head.encode() + ZstdCompressor(level=ZSTD_LEVEL).compress(planes.tobytes())


def decode_array(data: bytes) -> NDArray[Any]:
    """Return the array that `encode_array` was given.

    :raises ValueError: the bytes are not such an array.
    """
    import numpy as np
    from zstandard import ZstdDecompressor, ZstdError

    head, _, body = data.partition(b"\n")
    try:
        original, kind, size, width, differences = head.decode().split()
        content = ZstdDecompressor().decompress(body)
    except (ValueError, ZstdError) as error:
        raise ValueError("not an encoded array") from error
    planes = np.frombuffer(content, np.uint8).reshape(int(size), -1)
    folded = np.ascontiguousarray(planes.T).view(f"<i{size}").reshape(-1)
    numbers = ((folded.view(f"<u{size}") >> 1).view(f"<i{size}")) ^ -(folded & 1)
    item = int(kind[1:])
    numbers = numbers.astype(f"<i{item}", copy=False).reshape((int(width), -1) if int(width) else -1)
    for order in range(int(differences), 0, -1):
        np.cumsum(numbers[order - 1 :], axis=0, dtype=numbers.dtype, out=numbers[order - 1 :])
    return np.ascontiguousarray(numbers.view(f"<{kind}").T).astype(original, copy=False)


def _narrow_floats(values: NDArray[Any]) -> NDArray[Any]:
    """Return float64 numbers as float32, if that changes no bit of any of them."""
    import numpy as np

    if values.dtype.itemsize != 8:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(np.float32)
        same = np.array_equal(narrow.astype(np.float64).view(np.int64), np.ascontiguousarray(values).view(np.int64))
    return narrow if same else values


def _narrow_integers(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return integers in the smallest type that holds all of them, with a bit to spare for their fold."""
    import numpy as np

    if not numbers.size:
        return numbers
    low, high = int(numbers.min()), int(numbers.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return numbers.astype(kind)
    return numbers
