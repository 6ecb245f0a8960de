"""The installed package: types, stubs, generated code, symbols."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import reelsense
from reelsense import _core, _native

PACKAGE = Path(reelsense.__file__).parent
SDK = Path(__file__).resolve().parents[1]


def test_the_tests_run_the_installed_package_of_this_checkout():
    """Not a copy of long ago: every module is the checkout's."""
    assert SDK not in PACKAGE.parents, "the tests hold the wheel, not the source tree"
    for module in sorted((SDK / "reelsense").rglob("*.py")):
        installed = PACKAGE / module.relative_to(SDK / "reelsense")
        assert installed.read_text() == module.read_text(), f"{module} changed since the wheel was built"


def test_versions_agree():
    assert importlib.metadata.version("reelsense") == reelsense.__version__


def test_types_are_shipped():
    for name in ("py.typed", "_native.pyi", "v1/flow_classifier_pb2.pyi", "fastapi/openapi.json"):
        assert (PACKAGE / name).is_file()


def test_the_extension_is_abi3_and_shows_only_its_init():
    library = Path(_native.__file__)
    assert library.name == "_native.abi3.so"
    assert library.stat().st_size < 1 << 20
    shown = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True)
    if shown.returncode == 0:
        ours = [line.split()[-1] for line in shown.stdout.splitlines() if line.split()[-2] in "TDB"]
        assert ours == ["PyInit__native"]


def test_importing_needs_no_extra():
    """numpy and CFFI alone; the extras only where they are asked for."""
    program = (
        "import sys, reelsense, reelsense.client, reelsense.feedback, reelsense.escalation\n"
        "wanted = {'pandas', 'grpc', 'fastapi', 'onnxruntime', 'zstandard', 'google.protobuf', 'requests'}\n"
        "print(sorted(wanted & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_stubs_are_those_of_the_contract(root, tmp_path):
    protoc = pytest.importorskip("grpc_tools.protoc")
    from google.protobuf import descriptor_pb2

    from reelsense.v1 import flow_classifier_pb2

    file = "reelsense/v1/flow_classifier.proto"
    out = tmp_path / "descriptor"
    assert protoc.main(["protoc", f"-I{root / 'proto'}", f"--descriptor_set_out={out}", file]) == 0
    wanted = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    got = descriptor_pb2.FileDescriptorProto()
    flow_classifier_pb2.DESCRIPTOR.CopyToProto(got)
    for at in (wanted, got):
        at.ClearField("options")
        for message in at.message_type:
            for field in message.field:
                field.ClearField("json_name")
    assert got == wanted, "proto/ changed: sdk/python/make-stubs"


def test_every_function_of_the_abi_is_declared(root):
    """What make_source.py takes from the header is all of it."""
    import re

    header = (root / "core/capi/reelsense.h").read_text()
    names = set(re.findall(r"RS_API [^;(]*?\b(rs_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)))
    assert len(names) > 35
    assert {name for name in dir(_core.lib) if name.startswith("rs_")} == names


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_is_content():
    done = subprocess.run([sys.executable, "-m", "mypy", "--no-incremental", "reelsense"], cwd=SDK, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
def test_ruff_is_content():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "."]
    done = subprocess.run(command, cwd=SDK, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
