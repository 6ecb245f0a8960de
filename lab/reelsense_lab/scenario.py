"""Scenario files: what is recorded, as YAML, checked before anything starts.

A file describes one session, or under `sessions:` a list of entries. An entry is one session, or a matrix:
`each:` gives the product of its lists, `repeat:` multiplies that, `rotate:` deals one value of each list to every
session so that the values are balanced over designs, workloads and both (see balance.py), `set:` is fixed.
Every mistake is reported with the file, the key and what was expected.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reelsense_lab import balance, profiles, workloads
from reelsense_lab.errors import LabError

PROTOCOLS = ("h1", "h2", "h3")
CONGESTION = ("reno", "bbr")
MIXED = "mixed"
MIN_SECONDS, MAX_SECONDS = 5, 900
SETTLE_S = 0.5  # from opening the browser to the first action
MIN_PART_S = 6.0
BACKGROUND_KINDS = ("constant", "onoff", "player")
MAX_BACKGROUND_MBIT = 100.0
MAX_DOWNLOADS = 4
DOWNLOADS_FROM_S = (1.0, 9.0)  # after the browser's start
# Classes that cdn.lab.test can stand in for; a workload without any of these has no cdn variant.
CDN_CLASSES = frozenset(("video", "live", "image", "files", "audio"))
ENTRY_KEYS = frozenset(("each", "rotate", "repeat", "set"))
FILE_KEYS = frozenset(("about", "seed", "shuffle", "defaults", "sessions", "extra_paths"))


@dataclass(frozen=True, slots=True)
class Part:
    workload: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Session:
    """One recording. `path` is a profile's name or the profile itself."""

    name: str
    design: str
    workload: str
    path: str | dict[str, Any]
    seed: int
    parts: tuple[str, ...] = ()  # of a mixed session, in order
    protocol: str = "h2"
    congestion: str = "bbr"
    cdn: bool = False
    ipv6: bool = False
    seconds: int = 45
    options: dict[str, Any] = field(default_factory=dict)
    background: tuple[dict[str, Any], ...] = ()
    downloads: int = 0  # by another device behind the same path, until the session ends

    @property
    def path_name(self) -> str:
        return self.path if isinstance(self.path, str) else str(self.path.get("name", "inline"))

    @property
    def label(self) -> str:
        """video, non-video, or mixed where the session moves between the two."""
        labels = {"video" if workloads.WORKLOADS[name].session_video else "non-video" for name in self.workloads}
        return labels.pop() if len(labels) == 1 else MIXED

    @property
    def workloads(self) -> tuple[str, ...]:
        return self.parts or (self.workload,)

    @property
    def needs_peer(self) -> bool:
        return any(workloads.WORKLOADS[name].needs_peer for name in self.workloads)

    def timeline(self) -> list[Part]:
        """Which workload is in front when; the lengths of a mixed session's parts come from the seed."""
        if not self.parts:
            return [Part(self.workload, SETTLE_S, float(self.seconds))]
        rng = random.Random(f"{self.seed}:timeline")
        free = self.seconds - SETTLE_S - MIN_PART_S * len(self.parts)
        weights = [rng.uniform(0.5, 1.5) for _ in self.parts]
        parts, at = [], SETTLE_S
        for name, weight in zip(self.parts, weights, strict=True):
            end = at + MIN_PART_S + free * weight / sum(weights)
            parts.append(Part(name, round(at, 2), round(end, 2)))
            at = end
        return parts

    def actions(self) -> list[dict[str, Any]]:
        """What the browser does, sorted by time: the same for the same seed."""
        found: list[dict[str, Any]] = []
        for number, part in enumerate(self.timeline()):
            rng = random.Random(f"{self.seed}:{number}:{part.workload}")
            found += workloads.actions(
                self.design, part.workload, rng, part.start_s, part.end_s, cdn=self.cdn, options=self.options
            )
        return sorted(found, key=lambda action: float(action["at"]))

    def downloads_at_s(self) -> list[float]:
        """When each download begins, drawn from the seed."""
        rng = random.Random(f"{self.seed}:downloads")
        return [round(rng.uniform(*DOWNLOADS_FROM_S), 2) for _ in range(self.downloads)]

    def settings(self) -> dict[str, Any]:
        """As a mapping that `load` reads back into the same session."""
        settings = asdict(self)
        settings["parts"], settings["background"] = list(self.parts), list(self.background)
        if not self.parts:
            del settings["parts"]
        if not self.downloads:
            del settings["downloads"]
        return settings


SESSION_KEYS = frozenset(Session.__dataclass_fields__)


class Problems:
    """Collects what is wrong with one file, each with its key and what was expected there."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.found: list[str] = []

    def add(self, key: str, expected: str, got: object) -> None:
        self.found.append(f"{self.file}: {key}: expected {expected}, got {'nothing' if got is None else repr(got)}")

    def raise_if_any(self) -> None:
        if self.found:
            raise LabError("\n".join(self.found))


def _one_of(names: Sequence[str]) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value in names), f"one of {', '.join(names)}"


def _integer(low: int, high: int) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    ), f"an integer from {low} to {high}"


def _known(names: Sequence[str], value: Any) -> bool:
    return isinstance(value, str) and value in names


def _rules() -> dict[str, tuple[Callable[[Any], bool], str]]:
    names = tuple(workloads.WORKLOADS)
    is_bool = (lambda value: isinstance(value, bool)), "true or false"
    return {
        "name": (
            lambda value: isinstance(value, str) and value != "" and all(c.isalnum() or c in "-_." for c in value),
            "a name of letters, digits, - _ .",
        ),
        "design": _one_of(workloads.DESIGNS),
        "workload": _one_of((*names, MIXED)),
        "parts": (
            lambda value: isinstance(value, list) and len(value) > 1 and all(_known(names, each) for each in value),
            f"a list of two or more of {', '.join(names)}",
        ),
        "path": (
            lambda value: (
                value in (*profiles.names(), *profiles.radio_names())
                if isinstance(value, str)
                else isinstance(value, dict)
            ),
            f"a profile ({', '.join(profiles.names())}) or a mapping in the form of lab/profiles/*.json",
        ),
        "protocol": _one_of(PROTOCOLS),
        "congestion": _one_of(CONGESTION),
        "cdn": is_bool,
        "ipv6": is_bool,
        "seed": _integer(0, 2**63 - 1),
        "seconds": _integer(MIN_SECONDS, MAX_SECONDS),
        "options": ((lambda value: isinstance(value, dict)), "a mapping"),
        "background": (
            _is_background,
            f"a list of {{kind: {'|'.join(BACKGROUND_KINDS)}, mbit: 0 to {MAX_BACKGROUND_MBIT:g}}}",
        ),
        "downloads": _integer(0, MAX_DOWNLOADS),
    }


def _is_background(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and each.keys() == {"kind", "mbit"}
        and each["kind"] in BACKGROUND_KINDS
        and isinstance(each["mbit"], int | float)
        and 0 < each["mbit"] <= MAX_BACKGROUND_MBIT
        for each in value
    )


def _check_settings(settings: Mapping[str, Any], where: str, problems: Problems) -> None:
    rules = _rules()
    for key, value in settings.items():
        if key not in rules:
            problems.add(f"{where}{key}", f"one of {', '.join(sorted(SESSION_KEYS))}", key)
        elif not rules[key][0](value):
            problems.add(f"{where}{key}", rules[key][1], value)


def _check_lists(lists: Any, where: str, problems: Problems) -> dict[str, list[Any]]:
    """The lists of `each:` or `rotate:`; `all` stands for every design, workload or path."""
    if not isinstance(lists, dict):
        problems.add(where, "a mapping of lists", lists)
        return {}
    everything = {"design": workloads.DESIGNS, "workload": tuple(workloads.WORKLOADS), "path": profiles.names()}
    checked: dict[str, list[Any]] = {}
    for key, values in lists.items():
        if values == "all" and key in everything:
            values = list(everything[key])
        if not isinstance(values, list) or not values:
            problems.add(f"{where}.{key}", "a list with at least one value", values)
            continue
        for number, value in enumerate(values):
            before = len(problems.found)
            _check_settings({key: value}, f"{where}.", problems)
            if len(problems.found) > before:
                problems.found[-1] = problems.found[-1].replace(f"{where}.{key}:", f"{where}.{key}[{number}]:", 1)
        checked[key] = values
    return checked


def _seed_of(file_seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{file_seed}:{name}".encode()).digest()[:4], "big")


def _name_of(settings: Mapping[str, Any], number: int) -> str:
    path = settings["path"]
    path_name = path if isinstance(path, str) else path.get("name", "inline")
    flags = [flag for flag, on in (("cdn", settings.get("cdn")), ("v6", settings.get("ipv6"))) if on]
    words = [settings["design"], settings["workload"], path_name, settings.get("protocol", "h2"), *flags]
    return f"{'-'.join(map(str, words))}-{number:03}"


def _has_cdn_variant(settings: Mapping[str, Any]) -> bool:
    names = settings.get("parts") or [settings["workload"]]
    return any(CDN_CLASSES & set(workloads.WORKLOADS[name].classes) for name in names)


def _expand_matrix(
    entry: Mapping[str, Any], where: str, defaults: Mapping[str, Any], seed: int, problems: Problems
) -> list[dict[str, Any]]:
    for key in entry.keys() - ENTRY_KEYS:
        problems.add(f"{where}.{key}", f"one of {', '.join(sorted(ENTRY_KEYS))} in a matrix entry", key)
    each = _check_lists(entry.get("each", {}), f"{where}.each", problems)
    rotate = _check_lists(entry.get("rotate", {}), f"{where}.rotate", problems)
    fixed = entry.get("set", {})
    if not isinstance(fixed, dict):
        problems.add(f"{where}.set", "a mapping", fixed)
        fixed = {}
    _check_settings(fixed, f"{where}.set.", problems)
    repeat = entry.get("repeat", 1)
    if not isinstance(repeat, int) or not 1 <= repeat <= 1000:
        problems.add(f"{where}.repeat", "an integer from 1 to 1000", repeat)
    if problems.found:
        return []
    sessions = [
        {**defaults, **fixed, **dict(zip(each, values, strict=True))}
        for values in itertools.product(*each.values())
        for _ in range(repeat)
    ]
    if "parts" in each or "parts" in rotate:
        sessions = [{"workload": MIXED, **session} for session in sessions]
    # The mixed connection last: whether a session can have it depends on what it was dealt before.
    for key, values in sorted(rotate.items(), key=lambda item: item[0] == "cdn"):
        eligible = [s for s in sessions if key != "cdn" or _has_cdn_variant(s)]
        balance.deal(eligible, key, values, random.Random(f"{seed}:{where}:{key}"))
    return sessions


def _complete(settings: dict[str, Any], where: str, problems: Problems) -> None:
    for key in ("design", "workload", "path"):
        if key not in settings:
            problems.add(f"{where}.{key}", "this key", None)
    if (settings.get("workload") == MIXED) != bool(settings.get("parts")):
        problems.add(f"{where}.parts", "parts exactly where the workload is mixed", settings.get("parts"))
    parts, seconds = settings.get("parts") or [], settings.get("seconds", 45)
    if isinstance(seconds, int) and len(parts) * MIN_PART_S + SETTLE_S > seconds:
        problems.add(f"{where}.seconds", f"at least {MIN_PART_S:g} s for each of {len(parts)} parts", seconds)


def load(file: Path, extra_paths: Iterable[str] = ()) -> list[Session]:
    """Every session of a scenario file, in the order to run them."""
    problems = Problems(file)
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise LabError(f"{file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise LabError(f"{file}: expected YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        problems.add("(top)", "a mapping", document)
        problems.raise_if_any()
    if "sessions" not in document:
        document = {"sessions": [{key: value for key, value in document.items() if key != "about"}]}
    for key in document.keys() - FILE_KEYS:
        problems.add(str(key), f"one of {', '.join(sorted(FILE_KEYS))}", key)
    seed, defaults, entries = document.get("seed", 0), document.get("defaults", {}), document["sessions"]
    if not isinstance(seed, int):
        problems.add("seed", "an integer", seed)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries) or not entries:
        problems.add("sessions", "a list of mappings, at least one", entries)
    if not isinstance(defaults, dict):
        problems.add("defaults", "a mapping", defaults)
    problems.raise_if_any()
    _check_settings(defaults, "defaults.", problems)
    return _sessions(document, seed, defaults, list(extra_paths), problems)


def _spread(values: Sequence[str], most: int) -> list[str]:
    """At most `most` of the values, from all over the list: measured traces must not crowd out the built-in paths."""
    step = max(1.0, len(values) / most)
    return [values[int(number * step)] for number in range(min(most, len(values)))]


def _sessions(
    document: Mapping[str, Any],
    seed: int,
    defaults: Mapping[str, Any],
    extra_paths: list[str],
    problems: Problems,
) -> list[Session]:
    found: list[dict[str, Any]] = []
    for number, entry in enumerate(document["sessions"]):
        where = f"sessions[{number}]"
        if ENTRY_KEYS & entry.keys():
            if document.get("extra_paths") and extra_paths and "path" in entry.get("rotate", {}):
                paths = entry["rotate"]["path"]
                paths = list(profiles.names()) if paths == "all" else paths
                entry = {**entry, "rotate": {**entry["rotate"], "path": [*paths, *_spread(extra_paths, len(paths))]}}
            settings = _expand_matrix(entry, where, defaults, seed, problems)
        else:
            _check_settings(entry, f"{where}.", problems)
            settings = [{**defaults, **entry}]
        for each in settings:
            _complete(each, where, problems)
        found += settings
    problems.raise_if_any()
    sessions = []
    for number, settings in enumerate(found):
        name = settings.setdefault("name", _name_of(settings, number))
        settings.setdefault("seed", _seed_of(seed, name))
        settings["parts"] = tuple(settings.get("parts", ()))
        settings["background"] = tuple(settings.get("background", ()))
        sessions.append(Session(**settings))
    names = [session.name for session in sessions]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add("sessions", "a different name for every session", name)
    problems.raise_if_any()
    return balance.ordered(sessions, random.Random(f"{seed}:order")) if document.get("shuffle") else sessions
