"""Records one run in a process of its own: python -m reelsense_lab.qos.worker JOB.json

As reelsense_lab.worker: on a signal or the runner's death it leaves through its clean-up. Exit status: 0 recorded and
sound; 1 not (the reason is in JOB's `answer` file); 130 interrupted.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from reelsense_lab import record, truth
from reelsense_lab.errors import LabError
from reelsense_lab.qos import design, trial
from reelsense_lab.worker import INTERRUPTED, STOP_SIGNALS, end_with_parent, interrupted


def run_of(settings: dict[str, object]) -> design.Run:
    """What `Run.settings` gave."""
    left = dict(settings)
    arm, seconds = design.ARMS[str(left.pop("arm"))], int(str(left.pop("seconds")))
    at_s = left.pop("downloads_at_s")
    assert isinstance(at_s, list)
    return design.Run(design.Pair(**left, downloads_at_s=tuple(at_s)), arm, seconds)  # type: ignore[arg-type]


def main() -> int:
    for number in STOP_SIGNALS:
        signal.signal(number, interrupted)
    job = json.loads(Path(sys.argv[1]).read_text())
    answer = Path(job["answer"])
    try:
        end_with_parent(job["place"]["owner"])
        paths = {key: Path(job["place"][key]) for key in ("out", "build", "media")}
        result = trial.record(run_of(job["run"]), record.Place(**{**job["place"], **paths}), Path(job["reelsense"]))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (LabError, RuntimeError, OSError, truth.CaptureError, subprocess.SubprocessError) as error:
        answer.write_text(f"{type(error).__name__}: {error}")
        return 1
    answer.write_text("; ".join(result["findings"]))
    return 1 if result["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
