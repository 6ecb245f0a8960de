from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from stub_server import Received, Reply, StubServer, closed_port, problem

import reelsense
from reelsense import (
    ReelsenseArgumentError,
    ReelsenseBusyError,
    ReelsenseClosedError,
    ReelsenseCorruptError,
    ReelsenseLimitError,
)
from reelsense.client import NotOfferedError, RestClient, RetryPolicy, UnreachableError
from reelsense.client.retry import NO_RETRY
from reelsense.feedback import FeedbackQueue


@pytest.fixture(scope="module")
def windows(root) -> reelsense.Windows:
    return reelsense.classify_capture(root / "tests/captures/reels-h3.pcap").windows


@pytest.fixture
def queue(tmp_path, model):
    with FeedbackQueue(tmp_path / "feedback", model, records=100, opt_in=True, sample=1.0) as opened:
        yield opened


class Collector:
    """A server that stores observations, as /v1/observations does."""

    def __init__(self) -> None:
        self.stub = StubServer()
        self.records: list[dict] = []
        self.stub.otherwise = self.take

    def take(self, received: Received) -> Reply:
        assert (received.method, received.path) == ("POST", "/v1/observations")
        records = records_of(received.body)
        self.records += records
        return Reply(body={"stored": len(records)})

    def client(self) -> RestClient:
        return RestClient(self.stub.url, retry=NO_RETRY)


def records_of(body: bytes) -> list[dict]:
    """The list of the body, whatever it is called."""
    found = [value for value in json.loads(body).values() if isinstance(value, list) and value
             and isinstance(value[0], dict)]  # fmt: skip
    assert len(found) == 1, body[:200]
    return found[0]


@pytest.fixture
def collector():
    one = Collector()
    yield one
    one.stub.stop()


def test_what_was_added_arrives_and_is_forgotten(queue, windows, collector):
    assert queue.add(windows[:20]) == 20
    assert queue.add(windows[20:30], truth="video") == 10
    assert len(queue) == 30
    sent = 0
    while count := queue.send(collector.client(), most=8):
        sent += count
    assert sent == len(collector.records) == 30 and len(queue) == 0
    counters = queue.counters()
    assert (counters.sent, counters.refused, counters.failures, counters.lost_full) == (30, 0, 0, 0)


def test_nothing_that_names_someone_is_in_a_record(queue, windows):
    queue.add(windows[:30], truth="non-video")
    body, records = queue.peek()
    assert records == 30
    text = body.decode()
    for at in windows[:30]:
        for secret in (at.tuple.client, at.tuple.server, str(at.second), str(at.bytes_down)):
            assert secret not in text
    assert reelsense.load().info.name in text


def test_bodies_are_as_the_server_takes_them(queue, windows):
    contract = pytest.importorskip("contract")
    queue.add(windows[:20], truth="video")
    queue.add(windows[20:])
    body = json.loads(queue.peek()[0])
    contract.validate({"$ref": "#/components/schemas/ObservationBatch"}, body)
    assert (body["model"], len(body["observations"])) == ("reelsense-ue@1.0.0", 32)
    assert body["schema_hash"] == reelsense.schema_hash("packet")
    assert {at["truth"] for at in body["observations"][20:]} == {None}


def test_a_lost_answer_is_the_same_batch_again(tmp_path, model, windows, collector):
    """The server has it, the device does not know: whatever comes between, the batch has the same name and records."""
    path = tmp_path / "q"
    collector.stub.replies.append(Reply(hang_up="after"))
    with FeedbackQueue(path, model, records=100, opt_in=True, sample=1.0) as queue:
        queue.add(windows[:5])
        with pytest.raises(UnreachableError):
            queue.send(collector.client())
        queue.add(windows[5:9])  # more came meanwhile
    with FeedbackQueue(path, model, records=100, opt_in=True, sample=1.0) as queue:  # and the app was begun anew
        assert queue.send(collector.client()) == 5
        assert queue.send(collector.client()) == 4
    lost, again, rest = (received.json() for received in collector.stub.received)
    assert lost == again and rest["batch"] != lost["batch"]
    assert len(collector.records) == 9


def test_truth_is_behind_randomised_response(tmp_path, model, windows):
    """With a small epsilon both answers come; the record says nothing of which is honest."""
    with FeedbackQueue(tmp_path / "q", model, records=2000, opt_in=True, sample=1.0, epsilon=0.1) as queue:
        for _ in range(20):
            queue.add(windows, truth="video")
        body, _ = queue.peek(500)
    values = {json.dumps(value) for record in records_of(body) for key, value in record.items() if "truth" in key}
    assert len(values) >= 2, values


def test_sample_keeps_its_share(tmp_path, model, windows):
    with FeedbackQueue(tmp_path / "q", model, records=5000, opt_in=True, sample=0.25) as queue:
        kept = sum(queue.add(windows) for _ in range(100))
    offered = 100 * len(windows)
    assert 0.2 * offered < kept < 0.3 * offered  # 7 standard deviations


def test_without_consent_nothing_is_kept_or_sent(tmp_path, model, windows, collector):
    path = tmp_path / "feedback"
    with FeedbackQueue(path, model) as queue:
        assert queue.add(windows) == 0 and len(queue) == 0
        assert queue.send(collector.client()) == 0
        queue.start_sending(collector.client())
    assert not path.exists() and collector.stub.received == []


def test_a_full_queue_counts_what_it_leaves_out(tmp_path, model, windows):
    with FeedbackQueue(tmp_path / "q", model, records=10, opt_in=True, sample=1.0) as queue:
        assert queue.add(windows[:25]) == 10
        assert (len(queue), queue.counters().lost_full) == (10, 15)


def test_records_survive_an_orderly_end(tmp_path, model, windows):
    with FeedbackQueue(tmp_path / "q", model, opt_in=True, sample=1.0) as queue:
        queue.add(windows[:7])
        before = queue.peek()
    with FeedbackQueue(tmp_path / "q", model, opt_in=True, sample=1.0) as queue:
        assert queue.peek() == before
        queue.add(windows[:3])
        assert len(queue) == 10


CHILD = """
import sys
import reelsense
from reelsense.feedback import FeedbackQueue
windows = reelsense.classify_capture(sys.argv[1]).windows
queue = FeedbackQueue(sys.argv[2], reelsense.load(), records=100_000, opt_in=True, sample=1.0)
total = 0
while True:
    total += queue.add(windows[:16])
    print(total, flush=True)
"""


def test_kill_9_loses_nothing_that_was_added(tmp_path, model, reels):
    """Killed at full speed, three times over: each time every record that `add` had told of is there, whole."""
    path = tmp_path / "q"
    there = 0
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, reels, path], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        told = int(child.stdout.readline())
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            told = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split("\n")
        assert child.wait() == -signal.SIGKILL
        complete = [int(line) for line in rest[:-1] if line]  # the last may be cut
        told = max([told, *complete])
        with FeedbackQueue(path, model, records=100_000, opt_in=True, sample=1.0) as queue:
            assert len(queue) >= there + told
            there = len(queue)
            body, records = queue.peek(200)
            assert len(records_of(body)) == records > 0
    assert there > 100


def test_a_file_that_is_something_else_stays_as_it_is(tmp_path, model):
    with FeedbackQueue(tmp_path / "q", model, records=10, opt_in=True) as queue:
        size = (tmp_path / "q").stat().st_size
        assert len(queue) == 0
    other = tmp_path / "other"
    content = bytes(range(256)) * (size // 256 + 1)
    other.write_bytes(content[:size])
    with pytest.raises(ReelsenseCorruptError):
        FeedbackQueue(other, model, records=10, opt_in=True)
    assert other.read_bytes() == content[:size]
    for wrong in (size - 8, size + 8):
        other.write_bytes(content[:wrong])
        with pytest.raises(ReelsenseLimitError, match="made for"):
            FeedbackQueue(other, model, records=10, opt_in=True)
        assert other.read_bytes() == content[:wrong]


FULL = """
import resource, sys
import reelsense
from reelsense.feedback import FeedbackQueue
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    FeedbackQueue(sys.argv[1], reelsense.load(), opt_in=True)
except OSError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_is_told_and_leaves_nothing_half_made(tmp_path, model, windows):
    """A limit on the file's size stands for the disk: the blocks are not to be had."""
    path = tmp_path / "q"
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True)
    assert "OSError" in done.stdout and "bytes for a feedback queue" in done.stdout, done
    assert path.stat().st_size == 0
    with FeedbackQueue(path, model, opt_in=True, sample=1.0) as queue:  # room again
        assert queue.add(windows[:3]) == 3


def test_a_file_whose_making_was_cut_short_is_made_anew(tmp_path, model):
    (tmp_path / "q").write_bytes(bytes(5000))
    with FeedbackQueue(tmp_path / "q", model, opt_in=True) as queue:
        assert len(queue) == 0


def test_the_file_belongs_to_one_at_a_time(tmp_path, model):
    first = FeedbackQueue(tmp_path / "q", model, opt_in=True)
    with pytest.raises(ReelsenseBusyError, match="another process"):
        FeedbackQueue(tmp_path / "q", model, opt_in=True)
    first.close()
    FeedbackQueue(tmp_path / "q", model, opt_in=True).close()


def test_the_file_is_the_users_alone(tmp_path, model):
    with FeedbackQueue(tmp_path / "q", model, opt_in=True):
        assert Path(tmp_path / "q").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("options", [{"records": 0}, {"records": 10**7}, {"sample": 2.0}, {"epsilon": 0.0}])
def test_options_out_of_range_are_refused(tmp_path, model, options):
    with pytest.raises(ReelsenseArgumentError):
        FeedbackQueue(tmp_path / "q", model, opt_in=True, **options)


def test_arguments_and_states_that_are_wrong(queue, windows, tmp_path):
    with pytest.raises(ReelsenseArgumentError, match="truth"):
        queue.add(windows, truth="maybe")
    for most in (0, 1001):
        with pytest.raises(ReelsenseArgumentError, match="1 to 1000"):
            queue.send(None, most)
    queue.close()
    queue.close()
    with pytest.raises(ReelsenseClosedError):
        queue.add(windows)


def test_a_server_that_cannot_be_reached_leaves_everything(queue, windows):
    queue.add(windows[:5])
    client = RestClient(f"http://127.0.0.1:{closed_port()}", retry=NO_RETRY)
    with pytest.raises(UnreachableError):
        queue.send(client)
    assert len(queue) == 5 and queue.counters().failures == 1


def test_a_server_without_the_path_leaves_everything(queue, windows, collector):
    queue.add(windows[:5])
    collector.stub.otherwise = problem(501, "log-off")
    with pytest.raises(NotOfferedError):
        queue.send(collector.client())
    assert len(queue) == 5


def test_one_record_that_is_refused_does_not_stop_the_others(queue, windows, collector):
    queue.add(windows[:9])
    taken = collector.take
    bad = json.dumps(records_of(queue.peek()[0])[3])

    def refuse(received: Received) -> Reply:
        if any(json.dumps(record) == bad for record in records_of(received.body)):
            return problem(400, "invalid-request")
        return taken(received)

    collector.stub.otherwise = refuse
    while queue.send(collector.client()):
        pass
    copies = [json.dumps(record) for record in collector.records]
    assert len(queue) == 0 and bad not in copies
    assert queue.counters().sent == len(copies) == 9 - queue.counters().refused
    assert queue.counters().refused >= 1


def test_the_sender_backs_off_and_goes_on(queue, windows, collector):
    """Down, full, then there: what was added meanwhile arrives, once, in a thread of its own."""
    queue.add(windows[:4])
    collector.stub.replies.extend([Reply(hang_up="after"), problem(503, "busy"), problem(429, "queue-full")])
    waits = RetryPolicy(first_s=0.01, most_s=0.05)
    queue.start_sending(collector.client(), every_s=0.02, backoff=waits)
    with pytest.raises(ReelsenseBusyError):
        queue.start_sending(collector.client())
    queue.add(windows[4:12])
    wait_until(lambda: len(queue) == 0)
    queue.stop_sending()
    queue.stop_sending()
    assert len(collector.records) == 12 and queue.counters().failures == 3


def test_closing_ends_the_sender_at_once(tmp_path, model, windows):
    queue = FeedbackQueue(tmp_path / "q", model, opt_in=True, sample=1.0)
    queue.add(windows[:4])
    client = RestClient(f"http://127.0.0.1:{closed_port()}", retry=NO_RETRY)
    queue.start_sending(client, backoff=RetryPolicy(first_s=600, most_s=600))
    wait_until(lambda: queue.counters().failures > 0)
    begun = time.monotonic()
    queue.close()
    assert time.monotonic() - begun < 5
    assert not any(thread.name == "reelsense-feedback" for thread in threading.enumerate())


def wait_until(condition, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
