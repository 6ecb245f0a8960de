"""Load by the Open Inference Protocol's REST, which `reelsense bench-server` does not speak: one window a request.

The same figures by the same rules: clients with one connection and one request each; with a rate, latency counts from
the moment at which a request was due. One thread with epoll, bodies put together from prepared parts. It makes some
20,000 requests a second, so a server that can do more is not saturated by it. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

NEAR_S = 0.0015  # nearer than this is waited for in short naps: epoll's clock is coarse
NAP_S = 0.00003
GIVE_UP_S = 10.0
FLOWS = 256  # of each client


@dataclass
class Client:
    number: int
    port: int
    sock: socket.socket = field(init=False)
    inbox: bytearray = field(default_factory=bytearray)
    busy: bool = False
    due: float = 0.0
    sent: int = 0

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Bodies:
    """Requests of virtual flows, each with the windows of `rows` in turn."""

    def __init__(self, rows: np.ndarray, path: str) -> None:
        self._head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
        self._rows = [json.dumps([float(v) for v in row]) for row in rows]
        self._input = f'"inputs":[{{"name":"window","datatype":"FP32","shape":[1,{rows.shape[1]}],"data":'
        self._run = int.from_bytes(os.urandom(3), "big") << 32

    def request(self, client: Client) -> bytes:
        turn, flow = divmod(client.sent, FLOWS)
        name = self._run + client.number * FLOWS + flow + 1
        start = "true" if turn == 0 else "false"
        row = self._rows[(flow + turn) % len(self._rows)]
        body = f'{{"parameters":{{"sequence_id":{name},"sequence_start":{start}}},{self._input}{row}}}]}}'
        return f"{self._head}{len(body)}\r\n\r\n{body}".encode()


class Load:
    def __init__(self, args: argparse.Namespace) -> None:
        self._bodies = Bodies(np.load(args.rows), args.path)
        self._clients = [Client(i, args.port) for i in range(args.clients)]
        self._interval = 1 / args.rate if args.rate else 0.0
        self._epoll = select.epoll()
        self._by_fd = {c.sock.fileno(): c for c in self._clients}
        for fd in self._by_fd:
            self._epoll.register(fd, select.EPOLLIN)
        self._start = time.perf_counter()
        self._measure = self._start + args.warmup
        self._stop = self._measure + args.duration
        self.latencies: list[float] = []
        self.answered = 0
        self.failed: dict[str, int] = {}
        self._waiting = 0
        self._idle = deque(self._clients)  # in the order in which they send next
        self._next = 0  # number of the next message

    def _send(self, client: Client, due: float) -> None:
        client.sock.sendall(self._bodies.request(client))
        client.sent += 1
        client.busy, client.due = True, due
        self._waiting += 1

    def _send_due(self, now: float) -> None:
        while self._idle and now < self._stop:
            due = self._start + self._next * self._interval if self._interval else now
            if due > now:
                return
            self._send(self._idle.popleft(), due)
            self._next += 1

    def _receive(self, client: Client) -> None:
        data = client.sock.recv(65536)
        if not data:
            raise RuntimeError("the server closed a connection")
        client.inbox += data
        end = client.inbox.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(client.inbox[:end]).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(client.inbox) < end + 4 + length:
            return
        self._answered(client, head, bytes(client.inbox[end + 4 :]))
        client.inbox.clear()

    def _answered(self, client: Client, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        client.busy = False
        self._waiting -= 1
        self._idle.append(client)
        if not head.startswith(b"http/1.1 200") or b'"probability"' not in body:
            what = head.split(b"\r\n", 1)[0].decode()
            self.failed[what] = self.failed.get(what, 0) + 1
            return
        if self._measure <= client.due < self._stop:
            self.latencies.append(now - client.due)
        if self._measure <= now < self._stop:
            self.answered += 1

    def until(self, end: float) -> None:
        while (now := time.perf_counter()) < end:
            self._send_due(now)
            wait = end - now
            if self._interval and self._idle:
                wait = min(wait, self._start + self._next * self._interval - now)
            events = self._epoll.poll(wait - NEAR_S / 2 if wait > NEAR_S else 0)
            for fd, _ in events:
                self._receive(self._by_fd[fd])
            if not events and 0 < wait <= NEAR_S:
                time.sleep(min(wait, NAP_S))

    def finish(self) -> int:
        """The last answers. How many messages were due that no client was free for."""
        give_up = time.perf_counter() + GIVE_UP_S
        while self._waiting and time.perf_counter() < give_up:
            for fd, _ in self._epoll.poll(0.05):
                self._receive(self._by_fd[fd])
        if self._waiting:
            self.failed["no answer"] = self._waiting
        due = int((self._stop - self._start) / self._interval) if self._interval else 0
        return max(0, due - self._next)

    def run(self, pid: int) -> dict[str, object]:
        self.until(self._measure)
        server, own, began = cpu_s(pid), time.process_time(), time.perf_counter()
        self.until(self._stop)
        server, own, seconds = cpu_s(pid) - server, time.process_time() - own, time.perf_counter() - began
        not_sent = self.finish()
        latency = np.sort(self.latencies) * 1e3
        return {
            "windows": self.answered,
            "measured_s": seconds,
            "windows_per_s": self.answered / seconds,
            "windows_per_response": 1.0,
            "server_cpu_s": server,
            "windows_per_server_cpu_s": self.answered / server if server else 0.0,
            "client_cpu_s": own,
            "latency_ms": {name: float(np.quantile(latency, q)) for name, q in QUANTILES} if len(latency) else {},
            "windows_not_sent": not_sent,
            "failed": self.failed,
        }


QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))


def cpu_s(pid: int) -> float:
    """User and system time of a process, proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/v2/models/reelsense-edge/infer")
    parser.add_argument("--rows", type=Path, required=True, help="windows as .npy, float32 [N, 88]")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.0, help="windows a second; 0: as fast as they are answered")
    parser.add_argument("--duration", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--server-pid", type=int, required=True)
    args = parser.parse_args()
    result = Load(args).run(args.server_pid)
    print(json.dumps(result))
    return 0 if result["windows"] else 1


if __name__ == "__main__":
    sys.exit(main())
