from __future__ import annotations

import json
import subprocess
import sys

from reelsense import conformance


def test_every_case_conforms(root):
    done = subprocess.run([sys.executable, "-m", "reelsense.conformance", root], capture_output=True, text=True)
    count = json.loads((root / "tests/conformance/cases.json").read_text())["count"]
    assert count >= 64
    assert done.stdout.splitlines()[-1] == f"conformance: {count} cases, 0 failed", done.stderr
    assert done.returncode == 0


def test_a_difference_is_found_and_named(root, tmp_path, capsys):
    """One feature, one bin, one probability changed: each case fails, and says where."""
    cases = []
    for name in ("tests/conformance", "tests/golden/vectors", "tests/golden/views/vectors", "models/m/1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "tests/golden/captures").symlink_to(root / "tests/golden/captures")
    (tmp_path / "tests/golden/views/logs").symlink_to(root / "tests/golden/views/logs")

    header, row, *rest = (root / "tests/golden/vectors/video_like.jsonl").read_text().splitlines()
    for key in ("features", "bins"):
        changed = json.loads(row)
        changed[key][3] += 1
        file = f"tests/golden/vectors/{key}.jsonl"
        (tmp_path / file).write_text("\n".join([header, json.dumps(changed), *rest]))
        cases.append({"kind": "capture", "file": file})

    golden = json.loads((root / "models/reelsense-ue/1.0.0/golden.json").read_text())
    golden["probability"][0] += 1e-4
    (tmp_path / "models/m/1/golden.json").write_text(json.dumps(golden))
    (tmp_path / "models/m/1/model.onnx").write_bytes((root / "models/reelsense-ue/1.0.0/model.onnx").read_bytes())
    cases.append({"kind": "model", "file": "models/m/1/golden.json"})

    log = (root / "tests/golden/views/vectors/socket_thresholds.csv").read_text().splitlines()
    file = "tests/golden/views/vectors/socket_thresholds.csv"
    (tmp_path / file).write_text("\n".join(log[:-1]))  # a row is missing
    cases.append({"kind": "socket", "file": file})
    cases.append({"kind": "unheard of", "file": "x"})

    (tmp_path / "tests/conformance/cases.json").write_text(json.dumps({"count": len(cases), "cases": cases}))
    assert conformance.main([str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "conformance: 5 cases, 5 failed"
    for place in ("row 0, features[3]", "row 0, bins", "probability[0]", "rows:", "KeyError: 'unheard of'"):
        assert place in err
