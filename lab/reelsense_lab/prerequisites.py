"""What must be installed before a session can be recorded, and the versions of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from reelsense_lab.errors import LabError

LAB = Path(__file__).resolve().parent.parent
ROOT = LAB.parent
DEFAULT_BUILD = ROOT / "build/lab"
# command → the Debian package that brings it
PACKAGES = {
    "caddy": "caddy",
    "chromium": "chromium",
    "ffmpeg": "ffmpeg",
    "tcpdump": "tcpdump",
    "ip": "iproute2",
    "ethtool": "ethtool",
    "openssl": "openssl",
    "zstd": "zstd",
    "node": "nodejs",
}
VERSION_PATTERNS = {
    "chromium": (r"Chromium (\S+)", ("chromium", "--version")),
    "caddy": (r"v?(\d\S+)", ("caddy", "version")),
    "ffmpeg": (r"ffmpeg version (\S+)", ("ffmpeg", "-version")),
    "tcpdump": (r"tcpdump version (\S+)", ("tcpdump", "--version")),
    "node": (r"v(\S+)", ("node", "--version")),
}


def find_path_emulator() -> Path:
    return ROOT / "build/release/bin/reelsense-lab-path"


def problems(build: Path) -> list[str]:
    """Why nothing can be recorded here; empty when all is well."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    found = []
    missing = sorted({package for command, package in PACKAGES.items() if shutil.which(command) is None})
    if missing:
        found.append(f"missing Debian packages: {' '.join(missing)} (lab/setup installs them)")
    if not (build / "node_modules/playwright-core").is_dir():
        found.append(f"no playwright-core in {build} (lab/setup --build-dir installs it)")
    if not find_path_emulator().exists():
        found.append("no path emulator at build/release/bin/reelsense-lab-path (make release builds it)")
    if os.geteuid() != 0:
        found.append("network namespaces need root: run it with sudo")
    elif (refusal := _namespace_refusal()) is not None:
        found.append(f"no network namespace can be made here: {refusal}")
    return found


def _namespace_refusal() -> str | None:
    if shutil.which("ip") is None:
        return "no ip command"
    name = f"reelsense-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return made.stderr.strip()
    subprocess.run(["ip", "netns", "delete", name], check=False)
    return None


def require(build: Path) -> None:
    if found := problems(build):
        raise LabError("\n".join(found))


def versions(build: Path) -> dict[str, str]:
    found = {name: _first_match(pattern, command) for name, (pattern, command) in VERSION_PATTERNS.items()}
    for package in ("playwright-core", "hls.js", "dashjs"):
        description = build / "node_modules" / package / "package.json"
        if description.exists():
            found[package] = str(json.loads(description.read_text())["version"])
    return {**found, "linux": ".".join(os.uname().release.split(".")[:2])}


def _first_match(pattern: str, command: tuple[str, ...]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, result.stdout + result.stderr)
    return found.group(1) if found else "unknown"
