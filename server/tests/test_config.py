"""Configuration: four places in their order, and what is wrong is named."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from harness import ROOT, SERVER, environment, run_server_command


def printed(*flags: str | Path, **variables: str) -> str:
    done = subprocess.run(
        [SERVER, "--print-config", *map(str, flags)], capture_output=True, text=True, timeout=60,
        env={**environment(), **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def value_of(text: str, key: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith(f"{key} ="))
    return line


def test_flags_win_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[scheduler]\nmax_batch = 16\n")
    variable = {"REELSENSE_SCHEDULER_MAX_BATCH": "24"}
    flag = ("--scheduler.max-batch", "48")
    default = value_of(printed(), "max_batch")
    for text, number, origin in (
        (printed("--config", file), "16", "file"),
        (printed("--config", file, **variable), "24", "environment"),
        (printed("--config", file, *flag, **variable), "48", "flag"),
    ):
        line = value_of(text, "max_batch")
        assert f"= {number}" in line and origin in line, line
    assert "default" in default


def test_what_is_printed_is_read_back_to_the_same(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    text = printed("--models.aliases", "stable=reelsense-edge", "--http.threads", "3")
    file.write_text(text)

    def values(printout: str) -> list[str]:
        return [line.split("#")[0].rstrip() for line in printout.splitlines()]

    assert values(printed("--config", file)) == values(text)


def test_the_example_file_is_the_defaults(tmp_path: Path) -> None:
    example = ROOT / "server/reelsense-server.example.toml"
    done = run_server_command("--config", example, "--check-config")
    assert (done.returncode, done.stdout) == (0, "the configuration is good\n"), done.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[scheduler]\nmax_batch = 0\n", "max_batch"),
        ("\n\n[scheduler]\nmax_batc = 7\n", "max_batch"),  # what was meant
        ("[http]\nlisten = 8080\n", "listen"),
        ("[http\n", "server.toml"),
        ("[nothing]\na = 1\n", "nothing"),
        ("[flows]\nhash_key = 'xyz'\n", "hash_key"),
    ],
)
def test_a_wrong_file_is_told_with_key_and_line(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text)
    for more in ((), ("--check-config",)):
        done = run_server_command("--config", file, *more)
        assert done.returncode == 1
        assert complaint in done.stderr and "server.toml:" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (("--scheduler.max-batch", "many"), "--scheduler.max-batch"),
        (("--scheduler.nothing", "1"), "--scheduler.nothing"),
        (("--config", "/nothing/server.toml"), "/nothing/server.toml"),
        (("--http.listen", "", "--grpc.listen", ""), "http.listen"),
    ],
)
def test_a_wrong_flag_is_named(flags: tuple[str, ...], complaint: str) -> None:
    done = run_server_command(*flags)
    assert done.returncode == 1 and complaint in done.stderr


def test_an_unknown_variable_is_an_error() -> None:
    done = subprocess.run(
        [SERVER, "--check-config"], capture_output=True, text=True, timeout=60,
        env={**os.environ, "REELSENSE_SCHEDULER_MAX_BATC": "7"},
    )  # fmt: skip
    assert done.returncode == 1 and "REELSENSE_SCHEDULER_MAX_BATC" in done.stderr


def test_the_reference_page_is_up_to_date() -> None:
    page = run_server_command("--reference", "config").stdout
    assert (ROOT / "docs/reference/server-configuration.md").read_text() == page
