"""Runs lab/web/browse.mjs, which drives Chromium, inside the client's namespace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reelsense_lab import testbed
from reelsense_lab.errors import LabError
from reelsense_lab.scenario import Session

BROWSE = Path(__file__).resolve().parent.parent / "web/browse.mjs"
PATIENCE_S = 90
LOG_TAIL = 2000


def chromium_arguments(session: Session, spki_sha256: str) -> list[str]:
    def target(server: testbed.ServerClass) -> str:
        address = testbed.address(server, session.ipv6)
        return f"[{address}]" if session.ipv6 else address

    rules = ", ".join(f"MAP {server.host} {target(server)}" for server in testbed.SERVERS)
    origins = ",".join(f"{server.host}:443" for server in testbed.SERVERS)
    protocol = {
        "h1": ["--disable-quic", "--disable-http2"],
        "h2": ["--disable-quic"],
        "h3": ["--enable-quic", f"--origin-to-force-quic-on={origins}"],
    }[session.protocol]
    return [
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
        f"--ignore-certificate-errors-spki-list={spki_sha256}",
        f"--host-resolver-rules={rules}, MAP * ~NOTFOUND",
        *protocol,
    ]


def browse(
    bed: testbed.Testbed,
    session: Session,
    spki_sha256: str,
    build: Path,
    folder: Path,
    net_log: Path | None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One run of the browser through the session: {events, requests, …}. `more` joins the plan of browse.mjs."""
    plan, result, log = folder / "plan.json", folder / "result.json", folder / "browse.log"
    peer = {
        "namespace": bed.server,
        "profile": str(folder / "peer-profile"),
        "address": testbed.address(testbed.CALL, session.ipv6),
    }
    plan.write_text(
        json.dumps(
            {
                "chromium": shutil.which("chromium"),
                "playwright": str(build),
                "profile": str(folder / "profile"),
                "arguments": chromium_arguments(session, spki_sha256),
                "seconds": session.seconds,
                "actions": session.actions(),
                "netlog": str(net_log) if net_log else None,
                "peer": peer if session.needs_peer else None,
                **(more or {}),
            }
        )
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    with log.open("w") as out:
        driver = bed.start(
            bed.client,
            ["node", str(BROWSE), str(plan), str(result)],
            env=environment,
            cwd=folder,
            stdout=out,
            stderr=out,
        )
    try:
        driver.wait(session.seconds + PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"the browser did not finish: {log.read_text()[-LOG_TAIL:]}") from error
    finally:
        testbed.stop(driver)
    if driver.returncode or not result.exists():
        raise LabError(f"the browser failed: {log.read_text()[-LOG_TAIL:]}")
    seen: dict[str, Any] = json.loads(result.read_text())
    return {**seen, "console": log.read_text().splitlines()}
