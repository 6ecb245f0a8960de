"""What a server answers, or that it does not, as exceptions. The types are those of docs/reference/server-errors.md."""

from __future__ import annotations

from dataclasses import dataclass, field

from reelsense.errors import ReelsenseError


@dataclass
class ServerError(ReelsenseError):
    """Base of what a client raises about a request.

    type: the problem's slug over REST ("unknown-model"), the code's name over gRPC ("NOT_FOUND"), "" without an answer.
    not_taken: the server surely did nothing, so that sending it again is safe whatever it was.
    retry_after_s: when the server asks to come back; None: it does not say.
    """

    detail: str
    type: str = ""
    http_status: int | None = None
    request_id: str = ""
    errors: list[dict[str, str]] = field(default_factory=list)
    """Of "invalid-request": `where` in the body and the `problem` there."""
    not_taken: bool = False
    retry_after_s: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.type}: {self.detail}" if self.type else self.detail]
        if self.request_id:
            parts.append(f"(request {self.request_id})")
        return " ".join(parts)

    # A dataclass would compare by value and lose its hash; exceptions are things.
    __hash__ = object.__hash__
    __eq__ = object.__eq__


class InvalidRequestError(ServerError):
    """The request is not valid or too large; it will not succeed as it is."""


class AuthError(ServerError):
    """No known API key, or one without the scope."""


class NotFoundError(ServerError):
    """No such path, model or flow."""


class ConflictError(ServerError):
    """The present state does not allow this."""


class OverloadedError(ServerError):
    """Over the key's rate, or the queue is full."""


class UnavailableError(ServerError):
    """It starts, ends, or has too much at once."""


class DeadlineError(ServerError):
    """Not answered in time, by the server's clock or the client's."""


class NotOfferedError(ServerError):
    """This server does not do that: its log is off, or it is a router without it."""


class ServerFaultError(ServerError):
    """The server failed; its log says why under the request's id."""


class UnreachableError(ServerError):
    """No connection, or one that broke before the answer."""


BY_TYPE: dict[str, type[ServerError]] = {
    "invalid-request": InvalidRequestError,
    "too-large": InvalidRequestError,
    "header-too-large": InvalidRequestError,
    "unsupported-media-type": InvalidRequestError,
    "unauthorized": AuthError,
    "forbidden": AuthError,
    "not-found": NotFoundError,
    "unknown-model": NotFoundError,
    "unknown-flow": NotFoundError,
    "method-not-allowed": NotOfferedError,
    "log-off": NotOfferedError,
    "conflict": ConflictError,
    "model-refused": ConflictError,
    "rate-limited": OverloadedError,
    "queue-full": OverloadedError,
    "draining": UnavailableError,
    "busy": UnavailableError,
    "not-ready": UnavailableError,
    "deadline": DeadlineError,
    "request-timeout": DeadlineError,
    "internal": ServerFaultError,
    "disk-full": ServerFaultError,
}

BY_CODE: dict[str, type[ServerError]] = {
    "INVALID_ARGUMENT": InvalidRequestError,
    "OUT_OF_RANGE": InvalidRequestError,
    "FAILED_PRECONDITION": ConflictError,
    "UNAUTHENTICATED": AuthError,
    "PERMISSION_DENIED": AuthError,
    "NOT_FOUND": NotFoundError,
    "ABORTED": ConflictError,
    "RESOURCE_EXHAUSTED": OverloadedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineError,
    "UNIMPLEMENTED": NotOfferedError,
}

BY_STATUS: dict[int, type[ServerError]] = {
    401: AuthError,
    403: AuthError,
    404: NotFoundError,
    405: NotOfferedError,
    408: DeadlineError,
    409: ConflictError,
    429: OverloadedError,
    501: NotOfferedError,
    502: UnavailableError,
    503: UnavailableError,
    504: DeadlineError,
}


def kind_of(problem: str, http_status: int) -> type[ServerError]:
    """The class of a problem's slug; of a proxy's answer without one, of its status."""
    found = BY_TYPE.get(problem) or BY_STATUS.get(http_status)
    if found is not None:
        return found
    return InvalidRequestError if http_status < 500 else ServerFaultError
