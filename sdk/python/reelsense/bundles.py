"""The released models of the device tier, which the package carries, and bundles in other folders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from reelsense.backends import Backend, backend_of
from reelsense.errors import ReelsenseArgumentError, ReelsenseCorruptError
from reelsense.model import Model

SHIPPED = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Bundle:
    """A folder `<name>/<version>/` as docs/reference/model-bundle.md describes it."""

    folder: Path
    name: str
    version: str
    view: str
    description: str
    features: tuple[str, ...]
    """The model's inputs in order, a subset of its view's features."""
    threshold: float
    uncertain: tuple[float, float]

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    def bytes_of(self, name: str) -> bytes:
        """A file of the bundle, held against the manifest's SHA-256."""
        import hashlib

        content = (self.folder / name).read_bytes()
        wanted = self.manifest()["files"].get(name)
        if hashlib.sha256(content).hexdigest() != wanted:
            raise ReelsenseCorruptError(f"{self.folder / name}: its SHA-256 is not the manifest's ({wanted})")
        return content

    def manifest(self) -> dict[str, Any]:
        return json.loads((self.folder / "manifest.json").read_text())

    def load(self, backend: str = "native") -> Backend:
        """The model on a backend: "native", "onnxruntime" or "litert"."""
        return backend_of(self, backend)


def read_bundle(folder: str | PathLike[str]) -> Bundle:
    """A bundle's contract. Raises OSError and ReelsenseCorruptError."""
    path = Path(folder) / "manifest.json"
    try:
        about = json.loads(path.read_text())
        low, high = about["uncertain"]
        return Bundle(path.parent, about["name"], about["version"], about["view"], about["description"],
                      tuple(about["features"]), about["threshold"], (low, high))  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise ReelsenseCorruptError(f"{path}: not a bundle's manifest: {error!r}") from error


@cache
def shipped() -> dict[str, Bundle]:
    """The bundles in this package by "name@version"."""
    found = [read_bundle(path.parent) for path in sorted(SHIPPED.glob("*/*/manifest.json"))]
    return {bundle.id: bundle for bundle in found}


def find(name: str, version: str | None = None) -> Bundle:
    """The shipped bundle of that name, or "name@version"; without a version the latest."""
    if version is None and "@" in name:
        name, version = name.split("@", 1)
    versions = [bundle for bundle in shipped().values() if bundle.name == name and version in (None, bundle.version)]
    if not versions:
        wanted = f"{name}@{version}" if version else name
        raise ReelsenseArgumentError(f"no model {wanted}: there are {', '.join(shipped())}")
    return max(versions, key=lambda bundle: _order(bundle.version))


def _order(version: str) -> tuple[int, ...]:
    """Of release versions, 1.10.0 after 1.9.0."""
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))


def load(name: str = "reelsense-ue", version: str | None = None) -> Model:
    """A released model on the native engine: "reelsense-ue" and "reelsense-ue-linear" of view packet,
    "reelsense-ue-socket" of view socket. Other backends: `find(name).load("onnxruntime")`."""
    model = find(name, version).load()
    assert isinstance(model, Model)
    return model
