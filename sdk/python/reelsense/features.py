"""The feature tables, and feature vectors of one flow's packets or reads and writes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reelsense._core import BINS, array, check, ffi, lib, pointer, text, view_number

if TYPE_CHECKING:
    import pandas as pd


@cache
def feature_names(view: str = "packet") -> tuple[str, ...]:
    """Names of a view's features in the order of its vectors: 48 of "packet", 28 of "socket"."""
    number = view_number(view)
    return tuple(text(lib.rs_feature_name(number, i)) for i in range(lib.rs_feature_count(number)))


@cache
def schema_hash(view: str = "packet") -> str:
    """SHA-256 of a view's feature table, 64 hexadecimal digits: what a model must have been trained on."""
    out = ffi.new("char[65]")
    check(lib.rs_schema_hash(out, view_number(view)))
    return text(out)


class Features(NamedTuple):
    """Feature vectors of one flow, a row for each second that had packets (or reads and writes)."""

    seconds: NDArray[np.int64]
    """[rows]: k, the window is [k, k + 1) s since the epoch."""
    values: NDArray[np.float32]
    """[rows, features], in the order of `feature_names(view)`."""
    bins: NDArray[np.uint32]
    """[rows, 40]: bytes in 20 × 50 ms down, then 20 × 50 ms up."""
    view: str

    def to_pandas(self) -> pd.DataFrame:
        """A column for each feature, indexed by second. Needs pandas."""
        import pandas as pd

        index = pd.Index(self.seconds, name="second")
        return pd.DataFrame(self.values, index=index, columns=list(feature_names(self.view)))


def extract(times_ns: ArrayLike, bytes: ArrayLike, directions: ArrayLike, *, view: str = "packet") -> Features:
    """Feature vectors of one flow, with the code, and so the bits, of a `Classifier`.

    times_ns: int64 [n], ns since the epoch, in their order; a time before its predecessor's counts as that one.
    bytes: uint32 [n], of IP packets on the wire (view "packet") or of reads and writes (view "socket").
    directions: [n], 0 or False is up (from the client), 1 or True is down.

    Raises ReelsenseArgumentError. Any number of threads may call it at once.
    """
    number = view_number(view)
    times = array(times_ns, "int64", "times_ns")
    n = len(times)
    sizes = array(bytes, "uint32", "bytes", n)
    ways = array(directions, "uint8", "directions", n)
    # A row a packet at most, and a row a second: the smaller of the two bounds the memory.
    span = int(times.max() // 10**9 - times.min() // 10**9) + 1 if n else 0
    capacity = min(n, max(span, 1)) if n else 0
    width = len(feature_names(view))
    values = np.empty((capacity, width), np.float32)
    seconds = np.empty(capacity, np.int64)
    bins = np.empty((capacity, BINS), np.uint32)
    rows = ffi.new("size_t*")
    error = ffi.new("rs_error*")
    status = lib.rs_extract(
        pointer("float*", values), pointer("int64_t*", seconds), pointer("uint32_t*", bins), capacity, rows, number,
        pointer("const int64_t*", times), pointer("const uint32_t*", sizes), pointer("const uint8_t*", ways), n, error,
    )  # fmt: skip
    check(status, error, "extract")
    found = rows[0]
    return Features(seconds[:found].copy(), values[:found].copy(), bins[:found].copy(), view)


def rows_of(rows: Any, view: str) -> NDArray[np.float32]:
    """`rows` as full feature vectors [n, features of the view], float32, contiguous."""
    from reelsense.errors import ReelsenseArgumentError

    values = np.ascontiguousarray(rows, dtype=np.float32)
    if values.ndim == 1:
        values = values[None]
    width = len(feature_names(view))
    if values.ndim != 2 or values.shape[1] != width:
        raise ReelsenseArgumentError(f"rows have shape {list(values.shape)}: [n, {width}] of view {view} is expected")
    return values
