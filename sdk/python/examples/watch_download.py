"""An app that classifies its own download: python watch_download.py URL

The socket is wrapped, so that every read and write is told to the classifier. Decisions are printed when they change.
"""

from __future__ import annotations

import http.client
import sys
import time
from urllib.parse import urlsplit

import reelsense

CHUNK = 16_384


class WatchedConnection(http.client.HTTPConnection):
    """An HTTP connection whose bytes a classifier sees."""

    def __init__(self, host: str, classifier: reelsense.Classifier) -> None:
        super().__init__(host)
        self._classifier = classifier
        self._flow = 0

    def connect(self) -> None:
        super().connect()
        self._flow = self._classifier.flow_open(time.time_ns())

    def send(self, data: bytes) -> None:
        super().send(data)
        self._classifier.flow_write(self._flow, len(data), time.time_ns())

    def received(self, data: bytes) -> None:
        self._classifier.flow_read(self._flow, len(data), time.time_ns())

    def peek(self) -> reelsense.Decision:
        return self._classifier.flow_peek(self._flow)


def on_second(second: reelsense.Second) -> None:
    if second.qos.changed:
        qos = second.qos
        print(f"{second.label}: prefetch {qos.prefetch_depth} clips, buffer {qos.buffer_target_ms} ms "
              f"({qos.buffer_reason})")  # fmt: skip


def main(url: str) -> None:
    parts = urlsplit(url)
    with reelsense.Classifier(reelsense.load("reelsense-ue-socket"), on_second=on_second) as classifier:
        connection = WatchedConnection(parts.netloc, classifier)
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        total = 0
        while chunk := response.read(CHUNK):
            connection.received(chunk)
            total += len(chunk)
            classifier.advance(time.time_ns())
        decision = connection.peek()
        classifier.finish()
        counters = classifier.counters()
    print(f"{total} bytes, {decision.label} ({decision.confidence:.2f}), {counters.windows} windows")


if __name__ == "__main__":
    main(*sys.argv[1:])
