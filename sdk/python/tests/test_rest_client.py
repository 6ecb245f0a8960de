from __future__ import annotations

import socket
import subprocess
import threading

import numpy as np
import pytest
from stub_server import Reply, StubServer, closed_port, problem

from reelsense.client import (
    AuthError,
    DeadlineError,
    FlowPackets,
    FlowWindow,
    InvalidRequestError,
    NotFoundError,
    NotOfferedError,
    OverloadedError,
    RestClient,
    RetryPolicy,
    ServerFaultError,
    Tls,
    Truth,
    UnavailableError,
    UnreachableError,
    WindowLabel,
)
from reelsense.client.retry import NO_RETRY
from reelsense.errors import ReelsenseArgumentError

OK = Reply(body={"model": "m@1", "labels": []})
WINDOW = FlowWindow("a", 5, np.zeros(48, np.float32))


@pytest.fixture
def stub():
    server = StubServer()
    yield server
    server.stop()


class Waits:
    """A clock that sleeping moves, and what was slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def policy(self, **options) -> RetryPolicy:
        return RetryPolicy(sleep=self.sleep, clock=lambda: self.now, draw=lambda: 0.5, **options)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def client(stub, waits):
    with RestClient(stub.url, retry=waits.policy(), timeout_s=5) as opened:
        yield opened


def test_windows_are_sent_and_labels_read(stub, client):
    stub.otherwise = Reply(body={"model": "m@1", "labels": [
        {"flow": "a", "second": 5, "label": "video", "confidence": 0.9, "probability": 0.9, "uncertain": False,
         "queue_us": 1, "compute_us": 2},
        {"flow": "b", "second": 6, "error": "out_of_order"},
        {"flow": "c", "second": 7, "label": "non-video", "confidence": 0.6, "probability": 0.4, "uncertain": True,
         "repeated": True, "restarted": True, "model": "m@2"},
    ]})  # fmt: skip
    bins = np.arange(40, dtype=np.uint32)
    labels = client.classify_windows([FlowWindow("a", 5, np.full(48, 0.5), bins, end=True)], model="m")
    assert labels == [
        WindowLabel("a", 5, "video", 0.9, 0.9, False, model="m@1"),
        WindowLabel("b", 6, None, error="out_of_order", model="m@1"),
        WindowLabel("c", 7, "non-video", 0.6, 0.4, True, True, True, None, "m@2"),
    ]
    sent = stub.received[0]
    assert (sent.method, sent.path) == ("POST", "/v1/classify")
    assert sent.json() == {
        "model": "m",
        "windows": [{"flow": "a", "second": 5, "features": [0.5] * 48, "bins": bins.tolist(), "end": True}],
    }
    assert sent.headers["X-Timeout-Ms"] == "5000" and "Authorization" not in sent.headers


def test_times_of_packets_keep_every_nanosecond(stub, client):
    stub.otherwise = OK
    packets = [(1_700_000_000_000_000_001, 1400, "down"), (1_700_000_000_999_999_999, 60, "up")]
    client.classify_packets([FlowPackets('a"b', packets, until_ns=1_700_000_001_000_000_000, end=True)])
    assert b"[1700000000.000000001,1400,1],[1700000000.999999999,60,0]" in stub.received[0].body
    assert b'"until":1700000001.000000000' in stub.received[0].body
    assert stub.received[0].json()["flows"][0]["flow"] == 'a"b'
    with pytest.raises(ReelsenseArgumentError, match='"up" or "down"'):
        client.classify_packets([FlowPackets("a", [(0, 1, "sideways")])])


def test_models_flows_feedback_observations(stub, client):
    stub.replies.extend([
        Reply(body={"models": [{"name": "m", "version": "1", "id": "m@1", "state": "ready", "features": ["x", "y"]}],
                    "aliases": {}}),
        Reply(body={"hash": "0" * 16}),
        Reply(204, b""),
        Reply(body={"stored": 1, "matched": 0}),
        Reply(body={"stored": 3}),
        Reply(body={"unheard": "of"}),
    ])  # fmt: skip
    assert client.models()[0].features == ("x", "y")
    assert client.flow("a/b?c")["hash"] == "0" * 16
    client.forget_flow("a/b?c")
    assert client.feedback([Truth("a", 5, "video")]) == 1
    assert client.send_observations(b'{"x": 1}') == 3
    with pytest.raises(ServerFaultError, match="stored"):
        client.send_observations(b"{}")
    assert [r.path for r in stub.received[1:3]] == ["/v1/flows/a%2Fb%3Fc"] * 2
    assert stub.received[3].json() == {"truths": [{"flow": "a", "second": 5, "truth": "video"}]}
    assert stub.received[4].path == "/v1/observations" and stub.received[4].body == b'{"x": 1}'


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (problem(400, "invalid-request"), InvalidRequestError),
        (problem(413, "too-large"), InvalidRequestError),
        (problem(401, "unauthorized"), AuthError),
        (problem(403, "forbidden"), AuthError),
        (problem(404, "unknown-model"), NotFoundError),
        (problem(501, "log-off"), NotOfferedError),
        (problem(500, "internal"), ServerFaultError),
        (problem(507, "disk-full"), ServerFaultError),
        (Reply(418, b"<html>a proxy"), InvalidRequestError),
        (Reply(500, b"<html>a proxy"), ServerFaultError),
    ],
)
def test_errors_that_repetition_does_not_mend_are_raised_at_once(stub, client, waits, reply, kind):
    stub.otherwise = reply
    with pytest.raises(kind) as caught:
        client.classify_windows([WINDOW])
    assert len(stub.received) == 1 and waits.slept == []
    assert caught.value.http_status == reply.status
    if isinstance(reply.body, dict):
        assert (caught.value.detail, caught.value.request_id) == ("because", "r-1")
        assert "r-1" in str(caught.value)


@pytest.mark.parametrize("slug", ["rate-limited", "queue-full"])
def test_full_servers_are_asked_again_when_they_say(stub, client, waits, slug):
    stub.replies.append(problem(429, slug, Retry_After="2", Retry_After_Ms="1200"))
    stub.replies.append(problem(503, "busy", Retry_After="3"))
    stub.otherwise = OK
    client.classify_packets([FlowPackets("a", [])])  # not idempotent: but it was surely not taken
    assert waits.slept == [pytest.approx(1.2 * 1.125), pytest.approx(3 * 1.125)]
    assert len(stub.received) == 3


def test_backoff_grows_has_jitter_and_an_end(stub, waits):
    stub.otherwise = problem(503, "draining")
    client = RestClient(stub.url, retry=waits.policy(attempts=6, first_s=1, most_s=3))
    with pytest.raises(UnavailableError):
        client.classify_windows([WINDOW])
    assert waits.slept == [0.5, 1.0, 1.5, 1.5, 1.5]
    assert len(stub.received) == 6


def test_no_attempt_begins_after_the_total_time(stub, waits):
    stub.otherwise = problem(429, "rate-limited", Retry_After="20")
    client = RestClient(stub.url, retry=waits.policy(total_s=30))
    with pytest.raises(OverloadedError) as caught:
        client.classify_windows([WINDOW])
    assert caught.value.retry_after_s == 20
    assert len(waits.slept) == 1  # a second wait would end after 45 s


def test_a_broken_connection_repeats_only_what_may_be_repeated(stub, client):
    stub.replies.append(Reply(hang_up="after"))
    stub.otherwise = OK
    client.classify_windows([WINDOW])
    assert len(stub.received) == 2
    stub.replies.append(Reply(hang_up="after"))
    with pytest.raises(UnreachableError):
        client.classify_packets([FlowPackets("a", [])])
    stub.replies.append(Reply(hang_up="after"))
    with pytest.raises(UnreachableError):
        client.feedback([Truth("a", 5, "video")])
    assert len(stub.received) == 4


def test_no_server_is_tried_again_whatever_it_is(waits):
    client = RestClient(f"http://127.0.0.1:{closed_port()}", retry=waits.policy())
    with pytest.raises(UnreachableError) as caught:
        client.classify_packets([FlowPackets("a", [])])
    assert caught.value.not_taken and len(waits.slept) == 3
    assert not client.is_ready()


def test_a_silent_server_is_a_deadline(stub):
    leave = threading.Event()
    stub.otherwise = Reply(wait=leave)
    client = RestClient(stub.url, timeout_s=0.2, retry=NO_RETRY)
    try:
        with pytest.raises(DeadlineError, match=r"0\.2 s"):
            client.models()
    finally:
        leave.set()


def test_connections_are_kept_and_replaced_when_the_server_closed_them(stub, client):
    stub.otherwise = OK
    for _ in range(5):
        client.classify_windows([WINDOW])
    assert stub.connections == 1
    # The server closes the idle connection; a request that must not be sent twice still arrives once.
    sock = client._idle[0].sock
    sock.shutdown(socket.SHUT_RD)
    client.classify_packets([FlowPackets("a", [])])
    assert stub.connections == 2 and len(stub.received) == 6


def test_many_threads_share_a_client(stub, client):
    stub.otherwise = OK
    def work() -> None:
        for _ in range(10):
            client.classify_windows([WINDOW])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stub.received) == 80 and stub.connections <= 80


def test_a_key_goes_only_where_it_is_safe(stub):
    for url in ("http://edge.example", "http://10.0.0.1:8080"):
        with pytest.raises(ReelsenseArgumentError, match="unencrypted"):
            RestClient(url, api_key="rs_secret")
        RestClient(url, api_key="rs_secret", insecure=True)
    RestClient("https://edge.example", api_key="rs_secret")
    stub.otherwise = OK
    client = RestClient(stub.url, api_key="rs_secret")
    client.classify_windows([WINDOW])
    assert stub.received[0].headers["Authorization"] == "Bearer rs_secret"
    assert "rs_secret" not in repr(client)


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "http://h/?q=1"])
def test_a_wrong_url_is_refused(url):
    with pytest.raises(ReelsenseArgumentError, match="HOST"):
        RestClient(url)


def test_a_path_before_the_api(stub):
    stub.otherwise = OK
    RestClient(stub.url + "/reelsense/").classify_windows([WINDOW])
    assert stub.received[0].path == "/reelsense/v1/classify"


def test_a_closed_client_says_so(stub):
    client = RestClient(stub.url)
    client.close()
    with pytest.raises(ReelsenseArgumentError, match="closed"):
        client.models()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


def test_tls_trusts_whom_it_is_told(certificate):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    stub = StubServer(context)
    try:
        stub.otherwise = OK
        client = RestClient(stub.url, tls=Tls(ca=certificate[0]), api_key="rs_secret")
        client.classify_windows([WINDOW])
        assert stub.received[0].headers["Authorization"] == "Bearer rs_secret"
        stranger = RestClient(stub.url, retry=NO_RETRY)
        with pytest.raises(UnreachableError, match="certificate|self-signed") as caught:
            stranger.classify_windows([WINDOW])
        assert caught.value.type == "certificate"
    finally:
        stub.stop()


def test_tls_shows_the_clients_certificate(certificate):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate[0])
    stub = StubServer(context)
    try:
        stub.otherwise = OK
        RestClient(stub.url, tls=Tls(certificate[0], *certificate)).classify_windows([WINDOW])
        with pytest.raises(UnreachableError):
            RestClient(stub.url, tls=Tls(certificate[0]), retry=NO_RETRY).classify_windows([WINDOW])
    finally:
        stub.stop()
