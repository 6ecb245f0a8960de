"""Capture files and streams: classic pcap and pcapng, also gzip- and zstd-compressed, through the project's reader.

The reader is ingest/'s, compiled into the package without its compression libraries: Python decompresses, in a thread,
into a pipe that the reader reads. So a compressed capture needs neither its whole size in memory nor a file beside it.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from reelsense._core import check, ffi, lib, text
from reelsense.classifier import Classifier
from reelsense.errors import ReelsenseUnsupportedError
from reelsense.model import Model
from reelsense.policy import Policy
from reelsense.types import Counters, FlowSummary, Second, Windows

_CHUNK = 256 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class CaptureStatus:
    """How far a capture was read, and what was wrong with it."""

    description: str
    """"classic pcap, µs, little-endian, Ethernet, snap length 96"."""
    records: int
    skipped: dict[str, int]
    """Records that the reader left out, by reason; without the zeros."""
    truncated_at: int | None
    """It ends inside a record: where that starts."""
    damage: str | None
    """The reader could not go on: what was found and where."""


class Capture:
    """An open capture: a path, or "-" for standard input. For one thread; close it, or use it as a context manager.

    Raises OSError, ReelsenseCorruptError and ReelsenseUnsupportedError, which name the path. A damaged or cut capture
    ends early, and `status` says so: what came before it counts. zstd needs Python 3.14 or `pip install
    reelsense[zstd]`; standard input must not be compressed.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._feeder: _Feeder | None = None
        name = os.fspath(path)
        source = name
        if name != "-":
            with Path(name).open("rb") as file:  # raises what is wrong with the path
                regular = file.seekable()
                magic = file.read(4) if regular else b""
            step = _decompressor(magic, name)
            if step is not None:
                self._feeder = _Feeder(Path(name), step)
                source = self._feeder.path
        self._name = name
        out = ffi.new("rspy_capture**")
        error = ffi.new("rs_error*")
        try:
            status = lib.rspy_capture_open(out, os.fsencode(source), error)
        finally:
            if self._feeder is not None:
                self._feeder.opened()
        if status != lib.RS_OK:
            failure = self._feeder.stop() if self._feeder is not None else None
            message = text(error.message).replace(source, name)
            error.message = (f"{message}; {failure}" if failure else message).encode()[:511]
        check(status, error)
        self._pointer: Any = ffi.gc(out[0], lib.rspy_capture_free)

    def status(self) -> CaptureStatus:
        at = ffi.new("rspy_capture_status*")
        lib.rspy_capture_describe(self._pointer, at)
        skipped = {text(lib.rspy_skip_name(i)): at.skipped[i] for i in range(lib.RSPY_SKIP_REASONS) if at.skipped[i]}
        found = [text(at.damage), self._feeder.failure if self._feeder is not None else None]
        damage = "; ".join(one for one in found if one) or None
        truncated = at.truncated_at if at.truncated_at >= 0 else None
        return CaptureStatus(text(at.description), at.records, skipped, truncated, damage)

    def close(self) -> None:
        if self._pointer is not None:
            ffi.release(self._pointer)
            self._pointer = None
        if self._feeder is not None:
            self._feeder.stop()

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Feeder:
    """Decompresses a file into a pipe, in a thread that ends with the file or with the pipe's reader."""

    def __init__(self, path: Path, decompress: Callable[[BinaryIO], Iterator[bytes]]) -> None:
        self._read, self._write = os.pipe()
        self._source = path
        self._decompress = decompress
        self.failure: str | None = None
        self.path = f"/dev/fd/{self._read}"
        self._thread = threading.Thread(target=self._run, name="reelsense-decompress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._source.open("rb") as file:
                for chunk in self._decompress(file):
                    view = memoryview(chunk)
                    while view:
                        view = view[os.write(self._write, view) :]
        except BrokenPipeError:
            pass  # nobody wants the rest
        except Exception as error:  # a decompressor's own kinds of errors, and the disk's
            self.failure = f"decompressing: {error}"
        finally:
            os.close(self._write)

    def opened(self) -> None:
        """The reader has its own descriptor of the pipe, or will have none."""
        os.close(self._read)

    def stop(self) -> str | None:
        self._thread.join()
        return self.failure


def _decompressor(magic: bytes, name: str) -> Callable[[BinaryIO], Iterator[bytes]] | None:
    if magic[:2] == _GZIP:
        return _gunzip
    if magic != _ZSTD:
        return None
    for module in ("zstandard", "compression.zstd"):  # the latter from Python 3.14 on
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            return _unzstd
    raise ReelsenseUnsupportedError(f"{name}: zstd-compressed; install reelsense[zstd], or unpack it with `zstd -d`")


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    """Frames that follow each other are one stream."""
    try:
        import zstandard
    except ImportError:
        from compression import zstd

        reader = zstd.open(file)
    else:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    while chunk := reader.read(_CHUNK):
        yield chunk


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    """Members that follow each other are one stream; zeros behind one are padding. A member that is cut gives what
    there is: the reader then says where the capture ends."""
    inflate: Any = None
    while chunk := file.read(_CHUNK):
        while chunk:
            if inflate is None:
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    break
                inflate = zlib.decompressobj(wbits=31)
            yield inflate.decompress(chunk)
            chunk = inflate.unused_data
            if not inflate.eof:
                break
            inflate = None


@dataclass(frozen=True)
class CaptureResult:
    """What `classify_capture` and `featurise_capture` give."""

    windows: Windows
    """In the order in which they closed."""
    seconds: list[Second]
    """The session second by second, with its decisions; empty without a model."""
    flows: list[FlowSummary]
    """In the order in which they ended."""
    counters: Counters
    capture: CaptureStatus


def classify_capture(
    path: str | PathLike[str],
    model: Model | None = None,
    *,
    policy: Policy | None = None,
    max_flows: int = 131_072,
) -> CaptureResult:
    """Labels every window of a capture, and decides for its session, as the `reelsense` command does.

    path: a file, or "-"; model: `reelsense.load()` if not given. See `Capture` for what is read and raised.
    """
    if model is None:
        from reelsense.bundles import load

        model = load()
    return _run(path, model, policy, max_flows, sessions=True)


def featurise_capture(path: str | PathLike[str], *, max_flows: int = 131_072) -> CaptureResult:
    """Feature vectors and byte bins of every window of a capture, unlabelled: for training and analysis."""
    return _run(path, None, None, max_flows, sessions=False)


def _run(
    path: str | PathLike[str], model: Model | None, policy: Policy | None, max_flows: int, *, sessions: bool
) -> CaptureResult:
    parts: list[Windows] = []
    seconds: list[Second] = []
    flows: list[FlowSummary] = []
    with (
        Capture(path) as capture,
        Classifier(
            model,
            view="packet",
            on_windows=parts.append,
            on_second=seconds.append if sessions else None,
            on_flow_end=flows.append,
            max_flows=max_flows,
            policy=policy,
        ) as classifier,
    ):
        status = classifier.add_capture(capture)
        classifier.finish()
        counters = classifier.counters()
    return CaptureResult(Windows.concat(parts, "packet"), seconds, flows, counters, status)
