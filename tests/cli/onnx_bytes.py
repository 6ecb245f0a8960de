"""A tiny linear model.onnx, written byte by byte so that the tests need no package.

Protocol buffers, as onnx.proto lays the messages out: field number and wire type, then the value.
"""

import struct


def _varint(value: int) -> bytes:
    out = b""
    while True:
        low, value = value & 0x7F, value >> 7
        out += bytes([low | (0x80 if value else 0)])
        if not value:
            return out


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _floats_attribute(name: str, values: list[float]) -> bytes:
    packed = struct.pack(f"<{len(values)}f", *values)
    return _bytes(5, _bytes(1, name) + _bytes(7, packed) + _int(20, 6))


def _node(op: str, domain: str, source: str, target: str, attributes: bytes = b"") -> bytes:
    text = _bytes(1, source) + _bytes(2, target) + _bytes(3, op.lower()) + _bytes(4, op) + attributes
    return _bytes(1, text + (_bytes(7, domain) if domain else b""))


def _value(name: str, columns: int) -> bytes:
    shape = _bytes(1, _bytes(2, "N")) + _bytes(1, _int(1, columns))
    return _bytes(1, name) + _bytes(2, _bytes(1, _int(1, 1) + _bytes(2, shape)))


def linear_model(
    features: dict[str, float],
    intercept: float,
    schema_hash: str,
    *,
    op: str = "LinearRegressor",
    metadata: dict[str, str | None] | None = None,
) -> bytes:
    """sigmoid(sum of weight * feature + intercept); a metadata value of None leaves the entry out."""
    targets = _bytes(5, _bytes(1, "targets") + _int(3, 1) + _int(20, 2))
    attributes = _floats_attribute("coefficients", list(features.values()))
    attributes += _floats_attribute("intercepts", [intercept]) + targets
    graph = _node(op, "ai.onnx.ml", "input", "score", attributes) + _node("Sigmoid", "", "score", "probability")
    graph += _bytes(2, "tiny") + _bytes(11, _value("input", len(features))) + _bytes(12, _value("probability", 1))
    props: dict[str, str | None] = {
        "reelsense.name": "tiny-ue",
        "reelsense.version": "1.0.0",
        "reelsense.tier": "ue",
        "reelsense.view": "packet",
        "reelsense.schema_hash": schema_hash,
        "reelsense.features": ",".join(features),
        "reelsense.threshold": "0.5",
        "reelsense.uncertain": "0.3,0.7",
    }
    props.update(metadata or {})
    model = _int(1, 8) + _bytes(2, "reelsense-tests") + _bytes(7, graph)
    model += _bytes(8, _bytes(1, "") + _int(2, 15)) + _bytes(8, _bytes(1, "ai.onnx.ml") + _int(2, 3))
    for key, value in props.items():
        if value is not None:
            model += _bytes(14, _bytes(1, key) + _bytes(2, value))
    return model
