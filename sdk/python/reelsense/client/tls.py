"""TLS of both clients."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

from reelsense.errors import ReelsenseArgumentError


@dataclass(frozen=True)
class Tls:
    """PEM files. ca: whom to trust, None: the system's authorities (over gRPC: its own); certificate and key: the
    client's own, where the server asks for one."""

    ca: str | PathLike[str] | None = None
    certificate: str | PathLike[str] | None = None
    key: str | PathLike[str] | None = None

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def pem(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Authorities, key, certificate, as gRPC takes them."""

        def content(path: str | PathLike[str] | None) -> bytes | None:
            return None if path is None else Path(path).read_bytes()

        return content(self.ca), content(self.key), content(self.certificate)


def check_key_is_safe(api_key: str | None, *, encrypted: bool, host: str | None, insecure: bool) -> None:
    """An API key is sent over TLS, or within this machine; anything else must be asked for."""
    if api_key is None or encrypted or insecure or host in ("localhost", "127.0.0.1", "::1"):
        return
    raise ReelsenseArgumentError(f"the API key would go to {host} unencrypted: use TLS, or say insecure=True")


def host_of(target: str) -> str | None:
    return urlsplit(f"//{target}").hostname
