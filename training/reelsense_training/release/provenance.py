"""Which code made a bundle, said so that retraining later gives the same bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

# What decides a model besides its data; documentation and tests do not.
SOURCE_PATHS = (
    "training/reelsense_training",
    "core/features",
    "core/flow",
    "core/classifier",
    "core/include/reelsense",
)


def last_source_commit(repository: Path) -> str:
    """The last commit that touched SOURCE_PATHS; empty outside a git checkout or with uncommitted changes
    there.
    """
    try:
        log = _git(repository, "log", "-1", "--format=%H", "--", *SOURCE_PATHS)
        dirty = _git(repository, "status", "--porcelain", "--", *SOURCE_PATHS)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return "" if dirty else log


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def source_commit(manifest: dict, released: dict | None, repository: Path) -> str:
    """The commit to state in ``manifest``.

    If the released manifest of this version says the same in everything else, its commit made these bytes
    first and stays; so a later commit that changes no result changes no byte.
    """
    if released is not None and released.get("source_commit"):
        rest = {key: value for key, value in manifest.items() if key != "source_commit"}
        if rest == {key: value for key, value in released.items() if key != "source_commit"}:
            return str(released["source_commit"])
    return last_source_commit(repository)
