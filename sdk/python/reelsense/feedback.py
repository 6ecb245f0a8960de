"""Feedback for retraining: anonymised windows in a file, sent when there is a server.

A record holds quantised features, the label given, and the truth behind randomised response; no address, name, flow or
time (docs/explanation/privacy.md). The queue is a memory-mapped file: what `add` counted as kept is there after a crash
of the process, kill -9 included. Nothing is kept or sent unless the user has agreed: `opt_in`.

A batch is named after its records, and a server stores a name once. So the size of the batch that is being sent is kept
in the file, behind the queue: whatever dies in between, the same batch is sent again, and nothing arrives twice.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from reelsense._core import WINDOW, check, ffi, lib, pointer
from reelsense.client.errors import AuthError, ConflictError, InvalidRequestError, NotFoundError, NotOfferedError
from reelsense.client.errors import ServerError as _ServerError
from reelsense.client.rest import RestClient
from reelsense.client.retry import RetryPolicy
from reelsense.errors import (
    ReelsenseArgumentError,
    ReelsenseBusyError,
    ReelsenseClosedError,
    ReelsenseLimitError,
)
from reelsense.model import Model
from reelsense.types import Windows

TRUTHS = {None: 0, "non-video": 1, "video": 2}
_BODY_BYTES = 512 * 1024
_MOST_RECORDS = 1000  # of a request, as the server's limits.observations_per_request
_TAIL_BYTES = 8  # behind the queue: how many records the batch has that is being sent, uint32


@dataclass(frozen=True)
class FeedbackCounters:
    waiting: int
    lost_full: int
    """Left out because the queue was full, since the file was made."""
    sent: int
    """Records that a server has, sent by this object."""
    refused: int
    """Records that a server refused as wrong, and that were forgotten."""
    failures: int
    """Attempts to send that failed."""


class FeedbackQueue:
    """Windows on their way to retraining.

    path: the queue's file, made if it is not there; only one process has it at a time. model: the one that labelled the
    windows. records: its bound, 1 … 1,000,000. opt_in: has the user agreed? If not, nothing is written, not even the
    file, and `add` returns 0. sample: share of the windows that is kept. epsilon: of the truth's randomised response.

    Threads: any number; calls wait for each other. Raises OSError (the file; a full disk as ENOSPC, before anything is
    mapped), ReelsenseBusyError (another process has it), ReelsenseCorruptError (the file is something else; it stays).
    """

    def __init__(
        self,
        path: str | PathLike[str],
        model: Model,
        *,
        records: int = 4096,
        opt_in: bool = False,
        sample: float = 0.01,
        epsilon: float = 1.0,
    ) -> None:
        self._lock = threading.Lock()  # the handle's
        self._sending = threading.Lock()  # one request at a time: what is peeked is what is discarded
        self._pointer: Any = None
        self._sender: _Sender | None = None
        self.opt_in = opt_in
        self._sent = self._refused = self._failures = 0
        self._kept = ffi.new("int*")
        if not opt_in:
            return
        size = lib.rs_feedback_memory(records) if 0 <= records < 2**32 else 0
        if size == 0:
            raise ReelsenseArgumentError(f"records is {records}: 1 to 1,000,000 are expected")
        self._file, self._map = _map_file(Path(path), size + _TAIL_BYTES)
        self._size = size
        try:
            self._memory = ffi.from_buffer(self._map, require_writable=True)
            options = ffi.new("rs_feedback_options*")
            lib.rs_feedback_options_init(options, ffi.sizeof("rs_feedback_options"))
            options.sample, options.epsilon = sample, epsilon
            out = ffi.new("rs_feedback**")
            error = ffi.new("rs_error*")
            opened = lib.rs_feedback_open(out, self._memory, size, model._pointer, options, error)
            check(opened, error, os.fspath(path))
        except BaseException:
            self._unmap()
            raise
        self._pointer = ffi.gc(out[0], lib.rs_feedback_free)

    def add(self, windows: Windows, truth: str | None = None) -> int:
        """Samples windows (those of a callback), with the truth where the app knows it: "video", "non-video".

        Returns how many were kept. A full queue leaves windows out and counts them.
        """
        if truth not in TRUTHS:
            raise ReelsenseArgumentError(f'truth {truth!r}: "video", "non-video" or None is expected')
        if not self.opt_in:
            return 0
        kept = 0
        raw = np.ascontiguousarray(windows.raw)
        at = ffi.new("rs_window*")
        with self._lock:
            self._check_open()
            for i in range(len(raw)):
                ffi.memmove(at, raw[i : i + 1].tobytes(), WINDOW.itemsize)
                at.features = pointer("const float*", windows.features[i])
                at.bins = pointer("const uint32_t*", windows.bins[i])
                self._kept[0] = 0
                status = lib.rs_feedback_add(self._pointer, self._kept, at, TRUTHS[truth], os.urandom(16))
                if status != lib.RS_LIMIT:  # full: counted by the queue
                    check(status, what="feedback: the window does not fit the model's view")
                    kept += self._kept[0]
        return kept

    def __len__(self) -> int:
        """Records that wait."""
        if not self.opt_in:
            return 0
        with self._lock:
            self._check_open()
            return lib.rs_feedback_count(self._pointer)

    def counters(self) -> FeedbackCounters:
        waiting = lost = 0
        with self._lock:
            if self._pointer is not None:
                waiting, lost = lib.rs_feedback_count(self._pointer), lib.rs_feedback_lost(self._pointer)
            return FeedbackCounters(waiting, lost, self._sent, self._refused, self._failures)

    def peek(self, most: int = 256) -> tuple[bytes, int]:
        """The body of POST /v1/observations for the oldest records, and how many are in it. They stay."""
        if not self.opt_in:
            return b"", 0
        with self._lock:
            self._check_open()
            return self._peek(most)

    def _peek(self, most: int) -> tuple[bytes, int]:
        if most < 1 or lib.rs_feedback_count(self._pointer) == 0:
            return b"", 0
        body = ffi.new("char[]", _BODY_BYTES)
        written, records = ffi.new("size_t*"), ffi.new("uint32_t*")
        check(lib.rs_feedback_peek(self._pointer, body, _BODY_BYTES, written, records, most), what="feedback")
        return ffi.buffer(body, written[0])[:], records[0]

    def send(self, client: RestClient, most: int = 256) -> int:
        """Sends the oldest records once and forgets those that the server has; returns their number, 0: none waited.

        most: 1 … 1000. Raises ServerError: they stay, and the next `send` sends the same batch, which the server then
        knows if it had it already. Only a single record that the server calls wrong is forgotten, and counted as
        refused, so that it cannot stand in the way of the others.
        """
        if not 1 <= most <= _MOST_RECORDS:
            raise ReelsenseArgumentError(f"most is {most}: 1 to {_MOST_RECORDS} records are expected")
        with self._sending:
            most = self._tried() or most
            while True:
                body, records = self.peek(most)
                if records == 0:
                    return 0
                self._try(records)
                try:
                    client.send_observations(body)
                except InvalidRequestError:
                    most = max(1, records // 2)
                    if records == 1:
                        self._discard(1, refused=True)
                except _ServerError:
                    with self._lock:
                        self._failures += 1
                    raise
                else:
                    self._discard(records)
                    return records

    def _discard(self, records: int, *, refused: bool = False) -> None:
        with self._lock:
            self._check_open()
            check(lib.rs_feedback_discard(self._pointer, records), what="feedback")
            self._write_tail(0)
            if refused:
                self._refused += records
            else:
                self._sent += records

    def _tried(self) -> int:
        """Records of the batch that was being sent when a `send` or the process ended; 0: none."""
        with self._lock:
            if self._pointer is None:
                return 0
            return min(int.from_bytes(self._map[self._size : self._size + 4], "little"), _MOST_RECORDS)

    def _try(self, records: int) -> None:
        with self._lock:
            self._check_open()
            self._write_tail(records)

    def _write_tail(self, records: int) -> None:
        self._map[self._size : self._size + 4] = records.to_bytes(4, "little")

    def start_sending(
        self, client: RestClient, *, every_s: float = 60.0, most: int = 256, backoff: RetryPolicy | None = None
    ) -> None:
        """Sends in a thread of its own: every `every_s` all that waits, after a failure with backoff up to ten minutes,
        after one that no repetition mends (key, path) in ten minutes. Give it a client without retries of its own."""
        if not self.opt_in:
            return
        if self._sender is not None:
            raise ReelsenseBusyError("the queue is being sent already")
        policy = backoff or RetryPolicy(first_s=2.0, most_s=600.0)
        self._sender = _Sender(self, client, every_s, most, policy)
        self._sender.thread.start()

    def stop_sending(self) -> None:
        """Ends the thread; waits for a request that runs. Safe to repeat."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.stop.set()
            sender.thread.join()

    def close(self) -> None:
        """The records stay in the file. Safe to repeat."""
        self.stop_sending()
        with self._lock:
            if self._pointer is not None:
                ffi.release(self._pointer)
                self._pointer = None
                self._unmap()

    def _unmap(self) -> None:
        memory = getattr(self, "_memory", None)
        if memory is not None:
            ffi.release(memory)
        self._map.flush()
        self._map.close()
        os.close(self._file)

    def _check_open(self) -> None:
        if self._pointer is None:
            raise ReelsenseClosedError("the feedback queue was closed")

    def __enter__(self) -> FeedbackQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _map_file(path: Path, size: int) -> tuple[int, mmap.mmap]:
    """The file, locked, with all its blocks: writing to a mapped hole on a full disk would end the process."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReelsenseBusyError(f"{path}: another process has this feedback queue") from None
        has = os.fstat(file).st_size
        if has > size:
            raise ReelsenseLimitError(f"{path}: {has} bytes, made for more records than asked for: give it as many")
        if has < size:
            if any(os.pread(file, has, 0)):
                raise ReelsenseLimitError(f"{path}: {has} bytes, made for fewer records: send them, then delete it")
            _allocate(file, size, path)
        return file, mmap.mmap(file, size)
    except BaseException:
        os.close(file)
        raise


def _allocate(file: int, size: int, path: Path) -> None:
    """New, or what a process that died at this very point left: nothing but zeros."""
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        os.ftruncate(file, 0)
        what = f"{error.strerror}: {size} bytes for a feedback queue"
        raise OSError(error.errno, what, str(path)) from None


class _Sender:
    def __init__(
        self, queue: FeedbackQueue, client: RestClient, every_s: float, most: int, backoff: RetryPolicy
    ) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="reelsense-feedback", daemon=True)
        self._queue, self._client, self._every_s, self._most, self._backoff = queue, client, every_s, most, backoff

    def _run(self) -> None:
        failed = 0
        while True:
            try:
                while self._queue.send(self._client, self._most) and not self.stop.is_set():
                    pass
                failed, wait = 0, self._every_s
            except (AuthError, NotFoundError, NotOfferedError, ConflictError):
                failed, wait = 0, self._backoff.most_s
            except _ServerError as error:
                failed += 1
                wait = self._backoff.wait_s(failed, error)
            except ReelsenseClosedError:
                return
            if self.stop.wait(wait):
                return
