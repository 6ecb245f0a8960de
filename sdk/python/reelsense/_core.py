"""The native module, its errors as exceptions, its structs as NumPy types. Private: use `reelsense`."""

from __future__ import annotations

from typing import Any

import numpy as np

from reelsense._native import ffi as ffi
from reelsense._native import lib as lib
from reelsense.errors import BY_STATUS, ReelsenseArgumentError, ReelsenseError, ReelsenseMismatchError

VIEWS = ("packet", "socket")
LABELS = ("non-video", "video")
BINS: int = lib.RS_BINS
LATEST_NS = 7_258_118_400_000_000_000  # 2200-01-01


def check_abi(found: int) -> None:
    """Refuses a library of another ABI version than the header that this module was compiled with."""
    if found != lib.RS_ABI_VERSION:
        raise ReelsenseMismatchError(
            f"the native library has ABI version {found}, this package was built for {lib.RS_ABI_VERSION}: reinstall it"
        )


check_abi(lib.rs_abi_version())


def text(pointer: Any) -> str:
    """A C string of the library's, always UTF-8."""
    return ffi.string(pointer).decode() if pointer != ffi.NULL else ""


def error_of(status: int, message: str) -> ReelsenseError:
    name = text(lib.rs_status_name(status))
    return BY_STATUS.get(name, ReelsenseError)(message or name)


def check(status: int, error: Any = None, what: str = "") -> None:
    """Raises what `status` means. error: the rs_error that the call filled; what: the message where there is none."""
    if status != lib.RS_OK:
        filled = text(error.message) if error is not None else ""
        raise error_of(status, filled or what)


def view_number(view: str) -> int:
    try:
        return VIEWS.index(view)
    except ValueError:
        raise ReelsenseArgumentError(f"view {view!r}: one of {', '.join(VIEWS)} is expected") from None


def time_ns(value: int, name: str = "now_ns") -> int:
    """An event time as the library takes it; refuses what would not fit before C sees it."""
    if not 0 <= value <= LATEST_NS:
        raise ReelsenseArgumentError(f"{name} is {value}: nanoseconds since 1970 are expected, before the year 2200")
    return int(value)


def dtype_of(name: str, skip: tuple[str, ...] = ()) -> np.dtype[Any]:
    """The NumPy type of a C struct, read from the compiled one: the same offsets and size by construction."""
    kind = ffi.typeof(name)
    names, formats, offsets = [], [], []
    for field, about in kind.fields:
        if field in skip:
            continue
        names.append(field)
        formats.append(_format_of(about.type))
        offsets.append(about.offset)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": ffi.sizeof(kind)})


def _format_of(kind: Any) -> Any:
    if kind.kind == "struct":
        return dtype_of(kind.cname)
    if kind.kind == "array":
        return (_format_of(kind.item), (kind.length,))
    if kind.kind == "pointer":
        return np.dtype("u8")
    code = {"float": "f", "double": "f"}.get(kind.cname, "u" if kind.cname.startswith("u") else "i")
    return np.dtype(f"{code}{ffi.sizeof(kind)}")


DECISION = dtype_of("rs_decision", skip=("reserved",))
WINDOW = dtype_of("rs_window", skip=("reserved", "features", "bins"))
PACKET = dtype_of("rs_packet")


def array(value: Any, dtype: str, name: str, length: int | None = None) -> np.ndarray[Any, Any]:
    """`value` as a contiguous vector of that type; nothing is lost on the way, or it is refused."""
    given = np.asarray(value)
    if given.ndim != 1:
        raise ReelsenseArgumentError(f"{name} has shape {list(given.shape)}: a vector is expected")
    if length is not None and len(given) != length:
        raise ReelsenseArgumentError(f"{name} has {len(given)} values, times_ns has {length}")
    if given.dtype == bool:
        given = given.astype(np.uint8)
    if given.dtype.kind not in "iu" and len(given):
        raise ReelsenseArgumentError(f"{name} is of {given.dtype}: integers are expected")
    bounds = np.iinfo(dtype)
    if len(given) and given.dtype != np.dtype(dtype):
        low, high = int(given.min()), int(given.max())
        if low < int(bounds.min) or high > int(bounds.max):
            raise ReelsenseArgumentError(f"{name} has values from {low} to {high}: {dtype} is expected")
    return np.ascontiguousarray(given, dtype=dtype)


def pointer(kind: str, values: np.ndarray[Any, Any]) -> Any:
    """A pointer into an array's memory; the array must outlive it."""
    return ffi.cast(kind, ffi.from_buffer(values)) if values.size else ffi.NULL
