"""The README's examples and the programs of examples/ do what they say."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from edge_server import find_server

SDK = Path(__file__).resolve().parents[1]
EXAMPLES = SDK / "examples"


def blocks() -> list[tuple[int, str, str]]:
    """(line, code, shown output) of the README's Python blocks."""
    found: list[tuple[int, str, str]] = []
    text = (SDK / "README.md").read_text()
    for match in re.finditer(r"^```(python|output)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if match[1] == "python":
            found.append((text[: match.start()].count("\n") + 1, match[2], ""))
        else:
            line, code, _ = found[-1]
            found[-1] = (line, code, match[2])
    return found


SERVER_URL = "http://localhost:8080"


def test_readme_examples_work_in_their_order(root, monkeypatch, request):
    """One after the other in one namespace, from the root of the source tree, against a server if one is built."""
    for package in ("onnxruntime", "fastapi", "pandas"):
        pytest.importorskip(package)
    monkeypatch.chdir(root)
    built = find_server(root, os.environ) is not None
    url = request.getfixturevalue("edge_server").url if built else ""
    space: dict[str, object] = {}
    assert len(blocks()) >= 7
    for line, code, shown in blocks():
        if SERVER_URL in code and not built:
            continue
        code = code.replace(SERVER_URL, url)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, f"README.md:{line}", "exec"), space)
        for wanted in shown.splitlines():
            assert wanted in out.getvalue(), f"README.md:{line} shows {wanted!r}, it printed:\n{out.getvalue()}"
    if not built:
        pytest.skip("the examples that ask a server were left out: no reelsense-server is built")


def test_readme_shows_every_extra():
    text = (SDK / "README.md").read_text()
    extras = re.search(r"\[project.optional-dependencies\]\n(.*?)\n\n", (SDK / "pyproject.toml").read_text(), re.DOTALL)
    assert extras is not None
    for extra in re.findall(r"^(\w+) =", extras[1], re.MULTILINE):
        assert f"`{extra}`" in text


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, EXAMPLES / program, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done


def test_example_label_capture(reels, tmp_path):
    done = run("label_capture.py", reels, tmp_path / "labels.csv")
    rows = list(csv.DictReader((tmp_path / "labels.csv").open()))
    assert len(rows) == 32 and {row["label"] for row in rows} == {"video", "non-video"}
    assert "2 flows" in done.stderr
    assert run("label_capture.py", reels).stdout.count("\n") == 33


def test_example_watch_download():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            for _ in range(12):
                self.wfile.write(bytes(100_000))
                time.sleep(0.1)

        def log_message(self, *_arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        done = run("watch_download.py", f"http://127.0.0.1:{server.server_address[1]}/")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert re.search(r"1200000 bytes, (non-)?video \(0\.\d+\), [23] windows", done.stdout), done.stdout


def test_example_serve(real_rows):
    pytest.importorskip("uvicorn")
    from stub_server import closed_port

    from reelsense.client import AuthError, FlowWindow, RestClient

    port = closed_port()
    environment = os.environ | {"REELSENSE_KEY": "rs_secret"}
    child = subprocess.Popen([sys.executable, EXAMPLES / "serve.py", str(port)], env=environment)
    try:
        with RestClient(f"http://127.0.0.1:{port}", api_key="rs_secret") as client:
            end = time.monotonic() + 60
            while not client.is_ready():
                assert child.poll() is None and time.monotonic() < end
                time.sleep(0.05)
            labels = client.classify_windows([FlowWindow("a/b", 5, real_rows[0])])
            assert labels[0].label in ("video", "non-video")
            assert client.flow("a/b")["windows"] == 1
            client.forget_flow("a/b")
            answer = client.infer("reelsense-ue", real_rows, outputs=("probability", "label"))
            assert answer["probability"].shape == (len(real_rows), 1)
        with RestClient(f"http://127.0.0.1:{port}") as stranger, pytest.raises(AuthError):
            stranger.models()
    finally:
        child.terminate()
        child.wait(timeout=30)


def test_bench_checks_and_times(reels):
    done = subprocess.run([sys.executable, SDK / "bench/bench.py", reels], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for what in ("classify, native, batch 1 ", "classify_capture", "extract", "flow_read", "advance"):
        assert what in done.stdout
