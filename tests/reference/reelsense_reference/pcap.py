"""Classic pcap files: microseconds or nanoseconds, either byte order."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NS_PER_S = 1_000_000_000

# Magic number as stored -> (struct byte order, nanoseconds of one unit of the sub-second field).
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


@dataclass(frozen=True)
class Record:
    time_ns: int  # since the epoch
    data: bytes  # what was captured
    wire_bytes: int  # original length on the link, at least len(data)
    link: int  # LINKTYPE_ number


class Capture:
    """The records of one file. `skipped` is complete once the records have been read."""

    def __init__(self, path: Path) -> None:
        self._bytes = path.read_bytes()
        if self._bytes[:4] not in _MAGIC or len(self._bytes) < 24:
            raise ValueError(f"{path}: not a classic pcap file (magic {self._bytes[:4].hex()})")
        self._order, self._unit_ns = _MAGIC[self._bytes[:4]]
        # The upper bits of the link type word tell about frame check sequences, not about the type.
        self.link = struct.unpack_from(self._order + "I", self._bytes, 20)[0] & 0xFFFF
        self.skipped: dict[str, int] = {}

    def __iter__(self) -> Iterator[Record]:
        position = 24
        while position + 16 <= len(self._bytes):
            seconds, part, captured, wire = struct.unpack_from(self._order + "IIII", self._bytes, position)
            data = self._bytes[position + 16 : position + 16 + captured]
            if len(data) < captured:
                return  # the file ends inside a record
            position += 16 + captured
            if part * self._unit_ns >= NS_PER_S:
                self.skipped["bad_timestamp"] = self.skipped.get("bad_timestamp", 0) + 1
                continue
            yield Record(seconds * NS_PER_S + part * self._unit_ns, data, max(wire, captured), self.link)
