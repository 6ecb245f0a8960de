"""Clients of the edge server: `RestClient` needs nothing but this package, `GrpcClient` needs `reelsense[grpc]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelsense.client.errors import (
    AuthError,
    ConflictError,
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    NotOfferedError,
    OverloadedError,
    ServerError,
    ServerFaultError,
    UnavailableError,
    UnreachableError,
)
from reelsense.client.messages import FlowPackets, FlowWindow, ServedModel, Truth, WindowLabel
from reelsense.client.rest import RestClient
from reelsense.client.retry import RetryPolicy
from reelsense.client.tls import Tls

if TYPE_CHECKING:
    from reelsense.client.grpc import GrpcClient, WatchedLabel

__all__ = [
    "AuthError",
    "ConflictError",
    "DeadlineError",
    "FlowPackets",
    "FlowWindow",
    "GrpcClient",
    "InvalidRequestError",
    "NotFoundError",
    "NotOfferedError",
    "OverloadedError",
    "RestClient",
    "RetryPolicy",
    "ServedModel",
    "ServerError",
    "ServerFaultError",
    "Tls",
    "Truth",
    "UnavailableError",
    "UnreachableError",
    "WatchedLabel",
    "WindowLabel",
]


def __getattr__(name: str) -> Any:
    if name in ("GrpcClient", "WatchedLabel"):  # only who asks for them needs grpcio
        from reelsense.client import grpc

        return getattr(grpc, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
