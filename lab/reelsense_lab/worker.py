"""Records one session in a process of its own: python -m reelsense_lab.worker JOB.json

The runner starts one worker a session and lane. On SIGTERM, SIGINT or the runner's death the worker leaves through its
clean-up. Exit status: 0 recorded and sound; 1 not (the reason is in JOB's `answer` file); 130 interrupted.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

from reelsense_lab import record, truth
from reelsense_lab.errors import LabError
from reelsense_lab.scenario import Session

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
INTERRUPTED = 130


def interrupted(number: int, _frame: object) -> NoReturn:
    """Ends the work through its clean-up, which a second signal must not cut short."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def end_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise KeyboardInterrupt("the runner is gone")


def session_of(settings: dict[str, Any]) -> Session:
    tuples = {key: tuple(settings.get(key, ())) for key in ("parts", "background")}
    return Session(**{**settings, **tuples})


def main() -> int:
    for number in STOP_SIGNALS:
        signal.signal(number, interrupted)
    job = json.loads(Path(sys.argv[1]).read_text())
    answer = Path(job["answer"])
    try:
        end_with_parent(job["place"]["owner"])
        paths = {key: Path(job["place"][key]) for key in ("out", "build", "media")}
        place = record.Place(**{**job["place"], **paths})
        described = record.record(session_of(job["session"]), place)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (LabError, RuntimeError, OSError, truth.CaptureError, subprocess.CalledProcessError) as error:
        answer.write_text(f"{type(error).__name__}: {error}")
        return 1
    answer.write_text("; ".join(described["findings"]))
    return 1 if described["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
