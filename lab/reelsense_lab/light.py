"""Light clients and their server, for background load only: no browser, no real player, never in evaluation.

    python -m reelsense_lab.light serve ADDRESS PORT
    python -m reelsense_lab.light client ADDRESS PORT KIND MBIT SEED

Plain HTTP/1.1 over TCP: `GET /N` gives N bytes. `constant` asks ten times a second, `onoff` only in bursts of random
length, `player` fetches two-second segments one after another while its buffer has room and swipes on now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time

TICK_S = 0.1
SEGMENT_S = 2.0
BUFFER_S = 10.0
MEAN_WATCH_S = 12.0
MEAN_BURST_S = 3.0
CHUNK = bytes(16_384)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            left = int(request.split()[1].lstrip(b"/"))
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n".encode())
            while left > 0:
                writer.write(CHUNK[:left])
                left -= len(CHUNK)
                await writer.drain()
    writer.close()


async def serve(address: str, port: int) -> None:
    server = await asyncio.start_server(answer, address, port)
    print("ready", flush=True)
    await server.serve_forever()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def fetch(self, size: float) -> None:
        size = max(1, int(size))
        self.writer.write(f"GET /{size} HTTP/1.1\r\nHost: background\r\n\r\n".encode())
        await self.writer.drain()
        await self.reader.readuntil(b"\r\n\r\n")
        await self.reader.readexactly(size)


async def constant(client: Client, rate: float, rng: random.Random) -> None:
    """`rate` in bytes a second, as with every kind."""
    while True:
        begun = time.monotonic()
        await client.fetch(rate * TICK_S)
        await asyncio.sleep(max(0.0, begun + TICK_S * rng.uniform(0.9, 1.1) - time.monotonic()))


async def onoff(client: Client, rate: float, rng: random.Random) -> None:
    while True:
        await client.fetch(2 * rate * min(4 * MEAN_BURST_S, rng.expovariate(1 / MEAN_BURST_S)))
        await asyncio.sleep(min(4 * MEAN_BURST_S, rng.expovariate(1 / MEAN_BURST_S)))


async def player(client: Client, rate: float, rng: random.Random) -> None:
    while True:
        leaves = time.monotonic() + rng.expovariate(1 / MEAN_WATCH_S)
        buffered_until = time.monotonic()
        while time.monotonic() < leaves:
            if buffered_until - time.monotonic() > BUFFER_S - SEGMENT_S:
                await asyncio.sleep(TICK_S)
                continue
            await client.fetch(rate * SEGMENT_S * rng.uniform(0.6, 1.4))
            buffered_until = max(buffered_until, time.monotonic()) + SEGMENT_S


KINDS = {"constant": constant, "onoff": onoff, "player": player}


async def run_client(address: str, port: int, kind: str, mbit: float, seed: int) -> None:
    while True:  # a path with outages may break a connection
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                await KINDS[kind](Client(reader, writer), mbit * 125_000, random.Random(seed))
            finally:
                writer.close()
        await asyncio.sleep(1)


def main(words: list[str]) -> None:
    if words[0] == "serve":
        asyncio.run(serve(words[1], int(words[2])))
    else:
        asyncio.run(run_client(words[1], int(words[2]), words[3], float(words[4]), int(words[5])))


if __name__ == "__main__":
    main(sys.argv[1:])
