"""Builds reelsense._native: the C ABI with core's sources, compiled into one abi3 extension by CFFI in API mode.

The sources are those of the checkout that this folder lies in; an sdist carries a copy of them in vendor/, which its
make_release_tree writes. The shipped models and the server's OpenAPI document come from the same place, so that each
has one source. Everything else is in pyproject.toml.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "native"))

# Of ingest/: what reads captures. The rest of it needs zlib, zstd and libpcap (native/plain_streams.cc).
INGEST = ("capture", "classic_reader", "pcapng_reader", "pcapng_time", "byte_window", "window_reader")
CAPI = "core/capi/reelsense.h"
VERSION = "core/include/reelsense/base/version.h"
OPENAPI = "server/http/openapi.json"
BUNDLE_FILES = ("manifest.json", "model.onnx", "model.tflite")


def source_root() -> Path:
    """The folder that holds core/, ingest/ and models/: the checkout, or an sdist's vendor/."""
    for root in (HERE.parents[1], HERE / "vendor"):
        if (root / CAPI).is_file():
            return root
    places = f"{HERE.parents[1]} nor in {HERE / 'vendor'}"
    raise SystemExit(f"reelsense: {CAPI} is neither in {places}: build from a checkout, or from an sdist made there")


def version(root: Path) -> str:
    """The library's own, which rs_version() gives."""
    found = re.search(r'kVersion = "([^"]+)"', (root / VERSION).read_text())
    if found is None:
        raise SystemExit(f"reelsense: no kVersion in {root / VERSION}")
    return found[1]


def cpp_sources(root: Path) -> list[Path]:
    core = [path for path in sorted(root.glob("core/*/*.cc")) if not path.name.endswith("_test.cc")]
    ingest = [root / "ingest" / f"{name}.cc" for name in INGEST]
    return core + ingest + sorted((HERE / "native").glob("*.cc"))


def shipped_bundles(root: Path) -> list[Path]:
    """Folders of the device tier's released models whose view the C ABI has."""
    found = []
    for manifest in sorted(root.glob("models/*/*/manifest.json")):
        about = json.loads(manifest.read_text())
        if about["tier"] == "ue" and about["view"] in ("packet", "socket"):
            found.append(manifest.parent)
    return found


def cpp_flags() -> list[str]:
    """As core/CMakeLists.txt and the root's: the same bits on every machine. Hidden symbols: the module's init is the
    only door, so that another copy of core in the process cannot meet this one."""
    flags = ["-std=c++20", "-O3", "-DNDEBUG", "-DREELSENSE_STATIC", "-ffp-contract=off", "-fPIC", "-fvisibility=hidden",
             "-fvisibility-inlines-hidden", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra"]  # fmt: skip
    if platform.machine() in ("x86_64", "AMD64"):
        flags.append("-march=x86-64-v2")
    return flags


class BuildNative(build_ext):
    """Compiles core as C++ first, with its own flags, then CFFI's C source, and links both."""

    def build_extension(self, ext: Extension) -> None:
        from make_source import write_source

        root = source_root()
        temp = Path(self.build_temp)
        write_source(root / CAPI, HERE / "native/glue.h", temp / "_native.c")
        ext.sources = [str(temp / "_native.c")]
        ext.include_dirs = [str(root / "core/capi"), str(HERE / "native")]
        ext.extra_objects = self.cpp_objects(root, temp)
        super().build_extension(ext)

    def cpp_objects(self, root: Path, temp: Path) -> list[str]:
        includes = [root / "core/include", root / "core/capi", root / "core", root / "ingest/include", root / "ingest",
                    HERE / "native", HERE / "native/shim", root]  # fmt: skip
        compiler = getattr(self.compiler, "compiler_so_cxx", None) or self.compiler.compiler_so
        # Python's own flags (-O2, -Wstrict-prototypes and the like) are for C: only the compiler's name is taken.
        command = [*_program(compiler), *cpp_flags(), *(f"-I{folder}" for folder in includes)]

        def compile_one(source: Path) -> str:
            inside = source.relative_to(root if source.is_relative_to(root) else HERE)
            target = temp / "cpp" / inside.with_suffix(".o")
            target.parent.mkdir(parents=True, exist_ok=True)
            extra = ["-fno-exceptions", "-fno-rtti"] if inside.parts[0] == "core" else []
            line = [*command, *extra, "-MMD", "-c", str(source), "-o", str(target)]
            if not _is_current(target, line):
                self.spawn(line)
                target.with_suffix(".line").write_text("\n".join(line))
            return str(target)

        with ThreadPoolExecutor(self.parallel or os.cpu_count() or 1) as pool:
            return list(pool.map(compile_one, cpp_sources(root)))


def _is_current(target: Path, line: list[str]) -> bool:
    """It was made by the same command, and nothing it was made of is newer."""
    made, needs = target.with_suffix(".line"), target.with_suffix(".d")
    if not (target.is_file() and made.is_file() and needs.is_file()) or made.read_text() != "\n".join(line):
        return False
    sources = needs.read_text().replace("\\\n", " ").split()[1:]
    try:
        return all(Path(source).stat().st_mtime_ns < target.stat().st_mtime_ns for source in sources)
    except FileNotFoundError:
        return False


def _program(command: list[str]) -> list[str]:
    """The compiler and what stands before its flags, such as ccache."""
    return command[: next((i for i, word in enumerate(command) if word.startswith("-")), len(command))]


class BuildPython(build_py):
    """Adds the released models and the server's OpenAPI document to the package."""

    def run(self) -> None:
        if self.editable_mode:
            raise SystemExit("reelsense: an editable install has no place for the models: pip install ./sdk/python")
        package = Path(self.build_lib) / "reelsense"
        shutil.rmtree(package, ignore_errors=True)  # what an earlier build left would be in the wheel
        super().run()
        root = source_root()
        for bundle in shipped_bundles(root):
            target = package / "models" / bundle.parent.name / bundle.name
            target.mkdir(parents=True, exist_ok=True)
            for name in BUNDLE_FILES:
                shutil.copyfile(bundle / name, target / name)
        shutil.copyfile(root / OPENAPI, package / "fastapi" / "openapi.json")


class VendoringSdist(sdist):
    """Puts the sources that lie outside this folder into the sdist's vendor/."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        root = source_root()
        wanted = [path for path in root.glob("core/**/*") if path.suffix in (".h", ".cc") and "_test" not in path.stem]
        wanted += [root / "ingest" / f"{name}.cc" for name in INGEST]
        wanted += [*root.glob("ingest/*.h"), *root.glob("ingest/include/**/*.h"), root / OPENAPI]
        wanted += [bundle / name for bundle in shipped_bundles(root) for name in BUNDLE_FILES]
        for path in wanted:
            target = Path(base_dir) / "vendor" / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        licence = root / "LICENSE"
        if licence.is_file():
            shutil.copyfile(licence, Path(base_dir) / "vendor" / "LICENSE")


def options() -> dict[str, dict[str, str]]:
    """abi3 from 3.10 on. In a checkout what is built lies in its build/, and is kept there for the next time."""
    chosen = {"bdist_wheel": {"py_limited_api": "cp310"}}
    root = source_root()
    if root == HERE.parents[1]:
        chosen["build"] = {"build_base": str(root / "build" / "python-sdk")}
    return chosen


setup(
    version=version(source_root()),
    ext_modules=[
        Extension(
            "reelsense._native",
            sources=[],
            py_limited_api=True,
            language="c++",
            define_macros=[("REELSENSE_STATIC", None)],
            extra_link_args=["-Wl,-s", "-Wl,--gc-sections"] if sys.platform == "linux" else [],
        )
    ],
    cmdclass={"build_ext": BuildNative, "build_py": BuildPython, "sdist": VendoringSdist},
    options=options(),
)
