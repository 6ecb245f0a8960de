"""Bodies: strict JSON, then each value by its place, with the server's words for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelsense.fastapi.problems import Problem

LATEST_SECOND = 7_258_118_400
_LATEST_NS = LATEST_SECOND * 10**9
_MOST_TOKEN = 32


class Members(dict[str, Any]):
    """A JSON object that knows a key it was given twice."""

    twice: str | None = None


class Number(float):
    """A number that was not written as an integer, and how it was written: a time is read to the nanosecond."""

    __slots__ = ("text",)
    text: str


def _members(pairs: list[tuple[str, Any]]) -> Members:
    out = Members(pairs)
    if len(out) != len(pairs):
        keys = [key for key, _ in pairs]
        out.twice = next(key for key in keys if keys.count(key) > 1)
    return out


def _number(text: str) -> Number:
    out = Number(text)
    out.text = text
    return out


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def parse(body: bytes, *, exact_times: bool) -> Members:
    """The body's object. exact_times: keep how numbers were written, which is slower."""
    if not body:
        raise Problem.at("", "the body is empty; a JSON object is expected")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Problem.at("", "the body is not UTF-8") from None
    try:
        root = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant,
                          parse_float=_number if exact_times else None)  # fmt: skip
    except json.JSONDecodeError as error:
        near = len(text[: error.pos].encode())
        raise Problem.at("", f"malformed JSON near byte {near}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise Problem.at("", f"malformed JSON: {error}") from None
    if not isinstance(root, Members):
        raise Problem.at("", "a JSON object is expected")
    return root


def shown(value: Any) -> str:
    """A value in a message."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    token = value.text if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
    return token if len(token) <= _MOST_TOKEN else token[:_MOST_TOKEN] + "…"


def unexpected(where: str, value: Any, expected: str) -> Problem:
    return Problem.at(where, f"{expected} is expected, not {shown(value)}")


def join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def members(value: Any, where: str, known: Sequence[str] | None = None, required: Sequence[str] = ()) -> Members:
    """An object; `known`: its only keys, None: others are ignored."""
    if not isinstance(value, Members):
        raise unexpected(where, value, "an object")
    if value.twice is not None and (known is None or value.twice in known):
        raise Problem.at(join(where, value.twice), "is given twice")
    if known is not None:
        for key in value:
            if key not in known:
                raise Problem.at(join(where, key[:64]), f"unknown key; known are {', '.join(known)}")
    for key in required:
        if key not in value:
            raise Problem.at(join(where, key), "is missing")
    return value


def elements(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise unexpected(where, value, "an array")
    return value


def integer(value: Any, where: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise unexpected(where, value, f"an integer from {least} to {most}")
    return value


def boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise unexpected(where, value, "true or false")
    return value


def string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise unexpected(where, value, "a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Problem.at("", f"malformed JSON: {where} has half a surrogate pair") from None
    return value


def flow_name(value: Any, where: str, most: int) -> str:
    name = string(value, where)
    size = len(name.encode())
    if size == 0:
        raise Problem.at(where, "is empty")
    if size > most:
        raise Problem.at(where, f"{size} bytes; at most {most} are taken")
    return name


def time_ns(value: Any, where: str) -> int:
    """Seconds since the epoch, cut to whole nanoseconds."""
    if type(value) is int:
        ns = value * 10**9
    elif isinstance(value, Number):
        try:
            exact = Decimal(value.text)
            ns = -1 if exact < 0 or exact > LATEST_SECOND else int((exact * 10**9).to_integral_value(ROUND_FLOOR))
        except InvalidOperation:
            ns = -1
    else:
        ns = -1
    if not 0 <= ns <= _LATEST_NS:
        raise unexpected(where, value, "seconds since the epoch, from 0 to the year 2200,")
    return ns


_NUMERIC = {int, float, Number}


def floats(
    value: Any, where: str, count: int, takes: str, *, not_negative: bool = False
) -> NDArray[np.float32]:  # fmt: skip
    """Exactly `count` numbers as float32. takes: whose row it is, for the message."""
    given = elements(value, where)
    if len(given) > count:
        raise Problem.at(where, f"more than {count} numbers; {takes} takes {count}")
    if not set(map(type, given)) <= _NUMERIC:
        i = next(i for i, element in enumerate(given) if type(element) not in _NUMERIC)
        raise unexpected(f"{where}[{i}]", given[i], "a number")
    if len(given) < count:
        raise Problem.at(where, f"{len(given)} numbers; {takes} takes {count}")
    row = _to_float32(given, where)
    if not np.isfinite(row).all():
        raise Problem.at(f"{where}[{np.flatnonzero(~np.isfinite(row))[0]}]", "the number does not fit float32")
    if not_negative and (row < 0).any():
        raise Problem.at(f"{where}[{np.flatnonzero(row < 0)[0]}]", "a byte count is not negative")
    return row


def _to_float32(values: Sequence[int | float], where: str) -> NDArray[np.float32]:
    """What float32 cannot hold becomes infinite."""
    try:
        wide = np.array(values, dtype=np.float64)
    except OverflowError:
        i = next(i for i, value in enumerate(values) if abs(value) >= 2**1023)
        raise unexpected(f"{where}[{i}]", values[i], "a number") from None
    with np.errstate(over="ignore"):
        return wide.astype(np.float32)


def each(value: Any, where: str, most: int, what: str, read: Callable[[Any, str], None]) -> None:
    """Calls read(element, place) for each element, at most `most` of them."""
    for i, element in enumerate(elements(value, where)):
        if i >= most:
            raise Problem.at(where, f"more than {most} {what} in one request")
        read(element, f"{where}[{i}]")
