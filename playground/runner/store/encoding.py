"""Encodes arrays of numbers as compressed bytes, without losing a bit.

Neighbours in a column are alike: seeds count up, and the losses of a run fall smoothly. So numbers are stored as
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
    :param differences: how often numbers are replaced by differences: along `width`; of a column of integers, from run
        to run, at most once.
    """
    import numpy as np
    from zstandard import ZstdCompressor

    width = values.shape[1] if values.ndim == 2 else 0
    if values.dtype.kind == "f":
        narrow = _narrow_floats(values)
        kind = narrow.dtype.str[1:]
        rows = narrow.T.astype(f"<{kind}", order="C").view(f"<i{narrow.itemsize}")
        rows = rows.reshape(width or 1, len(values))
    else:
        kind = "i8"
        rows = values.astype(np.int64).reshape(1, -1)
        rows = _narrow_integers(np.diff(rows, prepend=0) if differences else rows)
    head = f"{values.dtype.str[1:]} {kind} {rows.itemsize} {width} {differences}\n"
    planes = _split_planes(rows, differences if width else 0)
    return head.encode() + ZstdCompressor(level=ZSTD_LEVEL).compress(planes.data)


def decode_array(data: bytes) -> NDArray[Any]:
    """Return the array that `encode_array` was given.

    :raises ValueError: the bytes are not such an array.
    """
    import numpy as np
    from zstandard import ZstdDecompressor, ZstdError

    head, _, body = data.partition(b"\n")
    try:
        original, kind, size, width, differences = head.decode().split()
        planes = np.frombuffer(ZstdDecompressor().decompress(body), np.uint8)
    except (ValueError, ZstdError) as error:
        raise ValueError("not an encoded array") from error
    wide = int(width) if int(width) else 1
    rows = _join_planes(planes.reshape(int(size), wide, -1), int(differences) if int(width) else 0)
    if kind[0] == "i":
        rows = rows.astype(np.int64)
        rows = np.cumsum(rows, axis=1) if int(differences) else rows
    found = np.ascontiguousarray(rows.view(f"<{kind}").T).astype(original, copy=False)
    return found if int(width) else found.reshape(-1)


def _split_planes(rows: NDArray[Any], differences: int) -> NDArray[Any]:
    """Return rows of integers as planes of bytes, shape `(bytes of a number, rows, columns)`.

    :param differences: how often a row is replaced by its difference from the row before; sums wrap around.
    """
    import numpy as np

    planes = np.empty((rows.itemsize, *rows.shape), np.uint8)
    before: list[NDArray[Any]] = []
    for place, row in enumerate(rows):
        now = [row]
        for earlier in before[:differences]:
            now.append(now[-1] - earlier)
        before = now
        folded = now[-1] << 1
        folded ^= now[-1] >> (8 * rows.itemsize - 1)  # a small negative number gets leading zeros too
        planes[:, place] = folded.view(np.uint8).reshape(-1, rows.itemsize).T
    return planes


def _join_planes(planes: NDArray[Any], differences: int) -> NDArray[Any]:
    """Return the rows that `_split_planes` was given."""
    import numpy as np

    size, count, columns = planes.shape
    rows = np.empty((count, columns), f"<i{size}")
    before: list[NDArray[Any]] = []
    for place in range(count):
        folded = np.ascontiguousarray(planes[:, place].T).view(f"<u{size}").reshape(-1)
        changed = (folded >> 1).view(rows.dtype)
        changed ^= -(folded & 1).view(rows.dtype)
        now = [changed]
        for earlier in reversed(before[:differences]):
            now.insert(0, now[0] + earlier)
        before = now
        rows[place] = now[0]
    return rows


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
    """Return integers in the smallest type that holds all of them."""
    import numpy as np

    if not numbers.size:
        return numbers
    low, high = int(numbers.min()), int(numbers.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return numbers.astype(kind)
    return numbers
