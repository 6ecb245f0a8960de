"""A model that calls every window video: with only the video servers' packets before it, its labels are the truth.

It is the released linear model with all coefficients set to nothing, so that the same command, policy and code path
answer, one second after the traffic, as with a real model.
"""

from __future__ import annotations

import struct
from pathlib import Path

from reelsense_lab.errors import LabError
from reelsense_lab.prerequisites import ROOT

LINEAR = ROOT / "models/reelsense-ue-linear/1.0.0/model.onnx"
SURE = 8.0  # logit: a confidence of 0.9997
FLOAT_TAG = 0x3D  # of an attribute's float: field 7, 32 bits


def always_video(onnx: bytes) -> bytes:
    """The same ONNX file with other numbers in `coefficients` and `intercepts`."""
    changed = bytearray(onnx)
    for name, value in ((b"coefficients", 0.0), (b"intercepts", SURE)):
        at = changed.find(name)
        if at < 0 or changed.find(name, at + 1) >= 0:
            raise LabError(f"{LINEAR}: expected one attribute {name.decode()} of a LinearRegressor")
        at += len(name)
        if changed[at] != FLOAT_TAG:
            raise LabError(f"{LINEAR}: expected unpacked floats after {name.decode()}")
        while changed[at] == FLOAT_TAG:
            changed[at + 1 : at + 5] = struct.pack("<f", value)
            at += 5
    return bytes(changed)


def write(file: Path) -> Path:
    file.write_bytes(always_video(LINEAR.read_bytes()))
    return file
