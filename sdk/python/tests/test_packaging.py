"""Wheels from a clean clone and from an sdist: what is built is what the tests of the package ran on. Minutes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

BUNDLES = ("reelsense-ue", "reelsense-ue-linear", "reelsense-ue-socket")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def wheel(source: Path, out: Path) -> Path:
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--no-build-isolation", "--no-cache-dir", "-w", out, source)  # fmt: skip
    (built,) = out.glob("*.whl")
    return built


def check(built: Path, folder: Path, root: Path) -> None:
    """It has what it must, and labels a capture where nothing else is."""
    assert "-cp310-abi3-" in built.name
    names = zipfile.ZipFile(built).namelist()
    for bundle in BUNDLES:
        for name in ("manifest.json", "model.onnx", "model.tflite"):
            assert f"reelsense/models/{bundle}/1.0.0/{name}" in names
    for name in ("_native.abi3.so", "py.typed", "_native.pyi", "v1/flow_classifier_pb2.pyi", "fastapi/openapi.json"):
        assert f"reelsense/{name}" in names
    assert not [name for name in names if "test" in name or name.endswith((".cc", ".h", "setup.py"))]
    zipfile.ZipFile(built).extractall(folder)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import reelsense; assert reelsense.__file__.startswith(sys.argv[1]), reelsense.__file__\n"
        "print(reelsense.classify_capture(sys.argv[2]).counters.video_windows)"
    )
    assert run(sys.executable, "-c", program, folder, root / "tests/captures/reels-h3.pcap").strip() == "24"


@pytest.fixture(scope="module")
def clone(root, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "clone"
    run("git", "clone", "--quiet", "--no-hardlinks", "--depth", "1", f"file://{root}", folder)
    return folder


def test_a_wheel_from_a_clean_clone(clone, root, tmp_path):
    check(wheel(clone / "sdk/python", tmp_path / "wheels"), tmp_path / "installed", root)
    dirty = run("git", "status", "--porcelain", cwd=clone)
    assert dirty == "", "building leaves files that are not ignored"


def test_a_wheel_from_an_sdist(clone, root, tmp_path):
    run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", tmp_path / "sdist", cwd=clone / "sdk/python")
    (packed,) = (tmp_path / "sdist").iterdir()
    assert packed.stat().st_size < 3 << 20
    check(wheel(packed, tmp_path / "wheels"), tmp_path / "installed", root)
