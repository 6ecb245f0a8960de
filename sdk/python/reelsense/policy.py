"""Settings of the QoS policy, as docs/reference/qos-policy.md describes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from reelsense._core import check, ffi, lib, text


class PolicyKey(NamedTuple):
    name: str
    unit: str
    help: str
    low: float
    high: float
    standard: float
    """Default."""


@cache
def policy_keys() -> dict[str, PolicyKey]:
    """Every setting by name."""
    keys: dict[str, PolicyKey] = {}
    key = ffi.new("rs_policy_key*")
    while lib.rs_policy_key_at(key, len(keys)) == lib.RS_OK:
        name = text(key.name)
        keys[name] = PolicyKey(name, text(key.unit), text(key.help), key.low, key.high, key.standard)
    return keys


class Policy:
    """The default policy with the settings given. A classifier copies it. For one thread at a time.

    Raises ReelsenseArgumentError that names the setting and its range; the policy stays as it was.
    """

    def __init__(self, settings: Mapping[str, float] | None = None) -> None:
        out = ffi.new("rs_policy**")
        error = ffi.new("rs_error*")
        check(lib.rs_policy_create(out, error), error, "policy")
        self._pointer = ffi.gc(out[0], lib.rs_policy_free)
        for key, value in (settings or {}).items():
            self[key] = value

    def __setitem__(self, key: str, value: float) -> None:
        error = ffi.new("rs_error*")
        check(lib.rs_policy_set(self._pointer, key.encode(), value, error), error, key)

    def __getitem__(self, key: str) -> float:
        value = ffi.new("double*")
        error = ffi.new("rs_error*")
        check(lib.rs_policy_get(value, self._pointer, key.encode(), error), error, key)
        return value[0]

    def settings(self) -> dict[str, float]:
        return {key: self[key] for key in policy_keys()}
