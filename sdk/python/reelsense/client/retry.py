"""When a request is sent again: exponential backoff with full jitter, or when the server says."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from reelsense.client.errors import (
    DeadlineError,
    OverloadedError,
    ServerError,
    UnavailableError,
    UnreachableError,
)

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """attempts: at most, the first included. The wait before attempt k + 1 is drawn from [0, first_s · 2^(k-1)], at
    most most_s; where the server names a time, it is that and at most a quarter more. total_s: no attempt begins later.

    What the server surely did not take (no connection, 429, 503) is sent again whatever it is; what it may have taken
    (a connection that broke, a timeout) only if doing it twice is the same as once.
    """

    attempts: int = 4
    first_s: float = 0.1
    most_s: float = 5.0
    total_s: float = 30.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    draw: Callable[[], float] = field(default=random.random, repr=False)
    """Uniform in [0, 1)."""

    def wait_s(self, failed: int, error: ServerError | None = None) -> float:
        """Seconds to wait after `failed` attempts, 1 or more."""
        if error is not None and error.retry_after_s is not None:
            return error.retry_after_s * (1 + 0.25 * self.draw())
        return self.draw() * min(self.most_s, self.first_s * 2 ** min(failed - 1, 30))

    def run(self, attempt: Callable[[], T], *, idempotent: bool) -> T:
        """The first success, or the last error."""
        end = self.clock() + self.total_s
        failed = 0
        while True:
            try:
                return attempt()
            except ServerError as error:
                failed += 1
                if failed >= self.attempts or not is_worth_retrying(error, idempotent=idempotent):
                    raise
                wait = self.wait_s(failed, error)
                if self.clock() + wait > end:
                    raise
            self.sleep(wait)


NO_RETRY = RetryPolicy(attempts=1)


def is_worth_retrying(error: ServerError, *, idempotent: bool) -> bool:
    if not isinstance(error, (OverloadedError, UnavailableError, UnreachableError, DeadlineError)):
        return False
    return error.not_taken or idempotent
