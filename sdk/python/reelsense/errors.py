"""Errors of the native library, by status. Each says what was wrong, where, and what was expected."""

from __future__ import annotations


class ReelsenseError(Exception):
    """Base of everything this package raises on purpose. `status`: "RS_BUSY", or "" where no native call was made."""

    status = ""


class ReelsenseArgumentError(ReelsenseError, ValueError):
    """An argument is out of range, of the wrong shape, or not there."""

    status = "RS_INVALID_ARGUMENT"


class ReelsenseCorruptError(ReelsenseError):
    """Bytes that do not follow their format: a damaged model, capture or feedback file."""

    status = "RS_CORRUPT"


class ReelsenseUnsupportedError(ReelsenseError):
    """Well-formed, but not something this build reads."""

    status = "RS_UNSUPPORTED"


class ReelsenseMismatchError(ReelsenseError):
    """Two things that must agree do not: feature schema, view of model and call, ABI version."""

    status = "RS_MISMATCH"


class ReelsenseLimitError(ReelsenseError):
    """Over a documented bound."""

    status = "RS_LIMIT"


class ReelsenseBusyError(ReelsenseError):
    """Another call on this object is running: in another thread, or this is one of its callbacks. Nothing changed."""

    status = "RS_BUSY"


class ReelsenseClosedError(ReelsenseError):
    """The flow or the object was closed, evicted, or never opened."""

    status = "RS_CLOSED"


class ReelsenseMemoryError(ReelsenseError, MemoryError):
    """The system gave no memory."""

    status = "RS_MEMORY"


BY_STATUS: dict[str, type[ReelsenseError]] = {
    kind.status: kind
    for kind in (
        ReelsenseArgumentError,
        ReelsenseCorruptError,
        ReelsenseUnsupportedError,
        ReelsenseMismatchError,
        ReelsenseLimitError,
        ReelsenseBusyError,
        ReelsenseClosedError,
        ReelsenseMemoryError,
    )
}
