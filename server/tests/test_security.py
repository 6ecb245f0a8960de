"""Who may ask for what: API keys, scopes, rate limits, addresses beyond loopback."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from bundles import tiny_row
from grpc_health.v1 import health_pb2, health_pb2_grpc
from harness import CAPTURES, SERVER, Server, packets_of_a_second, run_cli, run_server_command, wait_until

SCOPES = ("infer", "feedback", "admin")
WINDOW = {"windows": [{"flow": "f", "second": 1, "features": tiny_row(9.0)}]}
TRUTH = {"truths": [{"flow": "f", "second": 1, "truth": "video"}]}


def new_key(file: Path, name: str, *scopes: str, more: str = "") -> str:
    """Makes a key as the manual says and puts its entry into the file."""
    made = run_server_command("key", "new", "--name", name, *(word for s in scopes for word in ("--scope", s)))
    assert made.returncode == 0, made.stderr
    key = re.search(r"rs_[A-Za-z0-9_-]{43}", made.stderr)
    assert key, made.stderr
    assert key[0] not in made.stdout  # the file has only its hash
    with file.open("a") as out:
        out.write(made.stdout + more)
    return key[0]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def status(server: Server, method: str, path: str, key: str | None = None, body: Any = None) -> int:
    return server.request(method, path, json=body, headers=bearer(key) if key else {}).status_code


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


@pytest.fixture
def guarded(keys: Path, start_server: Callable[..., Server]) -> tuple[Server, dict[str, str]]:
    """A server that asks for keys, and a key for each scope."""
    made = {scope: new_key(keys, f"only-{scope}", scope) for scope in SCOPES}
    return start_server("--auth.keys-file", keys), made


REST = [
    ("POST", "/v1/classify", WINDOW, "infer"),
    ("GET", "/v1/flows/f", None, "infer"),
    ("GET", "/v1/models", None, "infer"),
    ("GET", "/v1/analyses", None, "infer"),
    ("GET", "/v2", None, "infer"),
    ("GET", "/v2/models/tiny-ue", None, "infer"),
    ("POST", "/v2/models/tiny-ue/infer", {"inputs": []}, "infer"),
    ("POST", "/v1/feedback", TRUTH, "feedback"),
    ("POST", "/v1/observations", {}, "feedback"),
    ("GET", "/v1/logs", None, "admin"),
    ("GET", "/v1/observations", None, "admin"),
    ("POST", "/v1/models/rescan", None, "admin"),
    ("PUT", "/v1/aliases/a", {"model": "tiny-ue"}, "admin"),
]


def test_each_route_asks_for_its_scope(guarded: tuple[Server, dict[str, str]]) -> None:
    server, key = guarded
    for method, path, body, scope in REST:
        assert status(server, method, path, None, body) == 401, path
        assert status(server, method, path, "rs_" + "A" * 43, body) == 401, path
        for other in SCOPES:
            got = status(server, method, path, key[other], body)
            assert (got == 403) == (other != scope), (path, other, got)
            assert other != scope or got in (200, 400, 404), (path, other, got)


def test_what_needs_no_key(guarded: tuple[Server, dict[str, str]]) -> None:
    server, _ = guarded
    for path in ("/v2/health/live", "/v2/health/ready", "/openapi.json", "/docs", "/metrics"):  # on loopback
        assert status(server, "GET", path) == 200, path


def test_a_401_says_what_is_expected(guarded: tuple[Server, dict[str, str]]) -> None:
    server, key = guarded
    answer = server.get("/v2")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["type"] == "/problems/unauthorized"
    assert server.get("/v2", headers={"X-API-Key": key["infer"]}).status_code == 200
    assert server.get("/v2", headers={"Authorization": f"Basic {key['infer']}"}).status_code == 401
    assert server.get("/v2", headers=bearer(key["infer"] + "A")).status_code == 401


def test_grpc_asks_for_the_same(guarded: tuple[Server, dict[str, str]], stubs: SimpleNamespace) -> None:
    server, key = guarded
    pb = stubs.pb
    with grpc.insecure_channel(server.grpc_target) as channel:
        stub = stubs.rpc.FlowClassifierStub(channel)

        def code(call: Callable[..., Any], request: Any, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
            try:
                call(request, metadata=metadata, timeout=30)
            except grpc.RpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        window = pb.Window(flow=b"f", second=1, features=tiny_row(9.0))
        classify = pb.ClassifyRequest(windows=[window])
        feedback = pb.FeedbackRequest(truths=[pb.Truth(flow=b"f", second=1, truth=pb.LABEL_VIDEO)])
        stream: Callable[..., Any] = lambda one, **more: list(stub.ClassifyStream(iter([one]), **more))  # noqa: E731
        for call, request, scope in ((stub.Classify, classify, "infer"), (stream, classify, "infer"),
                                     (stub.Feedback, feedback, "feedback")):  # fmt: skip
            assert code(call, request, []) == grpc.StatusCode.UNAUTHENTICATED
            assert code(call, request, [("authorization", "Bearer rs_x")]) == grpc.StatusCode.UNAUTHENTICATED
            for other in SCOPES:
                expected = grpc.StatusCode.OK if other == scope else grpc.StatusCode.PERMISSION_DENIED
                assert code(call, request, [("authorization", f"Bearer {key[other]}")]) == expected
                assert code(call, request, [("x-api-key", key[other])]) == expected
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING  # a load balancer has no key


def test_keys_do_not_see_each_others_flows_and_analyses(keys: Path, start_server: Callable[..., Server]) -> None:
    one, two = new_key(keys, "one"), new_key(keys, "two")
    both = new_key(keys, "everything", *SCOPES)
    server = start_server("--auth.keys-file", keys)
    assert status(server, "POST", "/v1/classify", one, WINDOW) == 200
    assert status(server, "GET", "/v1/flows/f", one) == 200
    assert status(server, "GET", "/v1/flows/f", two) == 404
    answer = server.request("POST", "/v1/analyses", data=(CAPTURES / "feed-h2.pcap").read_bytes(),
                            headers={**bearer(one), "Content-Type": "application/octet-stream"})  # fmt: skip
    path = answer.headers["Location"]
    assert status(server, "GET", path, one) == 200
    assert status(server, "GET", path, two) == 404
    assert status(server, "DELETE", path, two) == 404
    assert status(server, "GET", path, both) == 200  # admin


def test_keys_with_one_name_are_one_client(keys: Path, start_server: Callable[..., Server]) -> None:
    old, new = new_key(keys, "collector"), new_key(keys, "collector")
    server = start_server("--auth.keys-file", keys)
    assert status(server, "POST", "/v1/classify", old, WINDOW) == 200
    assert status(server, "GET", "/v1/flows/f", new) == 200


def test_sighup_reads_the_keys_again(keys: Path, start_server: Callable[..., Server]) -> None:
    first = new_key(keys, "first")
    server = start_server("--auth.keys-file", keys)
    text = keys.read_text()
    second = new_key(keys, "second")
    assert status(server, "GET", "/v2", second) == 401
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("keys_reloaded")
    assert status(server, "GET", "/v2", second) == 200
    keys.write_text("[[key]]\nname = 7\n")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("keys_not_reloaded")
    assert status(server, "GET", "/v2", second) == 200  # the present ones stay
    keys.write_text(text)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("keys_reloaded")
    assert status(server, "GET", "/v2", second) == 401
    assert status(server, "GET", "/v2", first) == 200


def test_requests_a_second_are_limited_by_key(keys: Path, start_server: Callable[..., Server]) -> None:
    slow = new_key(keys, "slow", more="requests_per_s = 1\n")
    fast = new_key(keys, "fast")
    server = start_server("--auth.keys-file", keys)
    answers = [server.post("/v1/classify", WINDOW, headers=bearer(slow)) for _ in range(8)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 200 and limited
    assert limited[0].json()["type"] == "/problems/rate-limited"
    assert int(limited[0].headers["Retry-After"]) >= 1
    assert all(status(server, "POST", "/v1/classify", fast, WINDOW) == 200 for _ in range(20))
    assert server.metric("reelsense_server_refused_total", api="rest", reason="rate_limit") == len(limited)


def test_windows_a_second_are_limited_by_key(
    keys: Path, start_server: Callable[..., Server], stubs: SimpleNamespace
) -> None:
    slow = new_key(keys, "slow", more="windows_per_s = 10\n")
    server = start_server("--auth.keys-file", keys)
    many = {"windows": [{"flow": f"f{i}", "second": 1, "features": tiny_row(9.0)} for i in range(10)]}
    assert status(server, "POST", "/v1/classify", slow, many) == 200
    assert status(server, "POST", "/v1/classify", slow, many) == 429
    with grpc.insecure_channel(server.grpc_target) as channel:
        rows = [stubs.pb.Window(flow=b"g%d" % i, second=1, features=tiny_row(9.0)) for i in range(10)]
        with pytest.raises(grpc.RpcError) as limited:
            stubs.rpc.FlowClassifierStub(channel).Classify(
                stubs.pb.ClassifyRequest(windows=rows), metadata=[("x-api-key", slow)]
            )
        assert limited.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(dict(limited.value.trailing_metadata())["retry-after-ms"]) >= 1


def test_the_command_sends_its_key(keys: Path, start_server: Callable[..., Server], tmp_path: Path) -> None:
    key = new_key(keys, "cli")
    server = start_server("--auth.keys-file", keys)
    file = tmp_path / "key"
    file.write_text(key + "\n")
    capture = CAPTURES / "feed-h2.pcap"
    without = run_cli("classify", capture, "--server", server.grpc_target)
    assert without.returncode == 5 and b"API key" in without.stderr, without.stderr
    with_key = run_cli("classify", capture, "--server", server.grpc_target, "--api-key-file", file)
    assert with_key.returncode == 0 and with_key.stdout.count(b"\n") > 10, with_key.stderr


@pytest.mark.parametrize("flag", ["--http.listen", "--grpc.listen"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_beyond_loopback_needs_authentication(tmp_path: Path, flag: str, address: str) -> None:
    done = run_server_command(flag, address, "--log.file", tmp_path / "log.sqlite")
    assert done.returncode == 1
    assert "beyond loopback" in done.stderr and "auth.keys_file" in done.stderr and "insecure_public" in done.stderr


def test_beyond_loopback_with_keys_or_said_plainly(keys: Path, start_server: Callable[..., Server]) -> None:
    key = new_key(keys, "outside")
    server = start_server("--http.listen", "0.0.0.0:0", "--grpc.listen", "0.0.0.0:0", "--auth.keys-file", keys)
    assert status(server, "GET", "/metrics") == 401  # only loopback alone is trusted with it
    assert status(server, "GET", "/metrics", key) == 200
    public = start_server("--http.listen", "0.0.0.0:0", "--auth.insecure-public", "true")
    public.check_serving()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[key]]\nname = 'a'\n", "sha256"),
        ("[[key]]\nname = 'a'\nsha256 = 'xyz'\nscopes = ['infer']\n", "sha256"),
        ("[[key]]\nname = 'a'\nsha256 = '" + "0" * 64 + "'\nscopes = ['root']\n", "root"),
        ("key = 7\n", "key"),
        ("[[key\n", "keys.toml"),
    ],
)
def test_a_wrong_keys_file_is_told_at_the_start(tmp_path: Path, keys: Path, text: str, complaint: str) -> None:
    keys.write_text(text)
    done = run_server_command("--auth.keys-file", keys, "--log.file", tmp_path / "log.sqlite", "--http.listen",
                              "127.0.0.1:0", "--grpc.listen", "127.0.0.1:0")  # fmt: skip
    assert done.returncode in (1, 2)
    assert complaint in done.stderr and "keys.toml" in done.stderr


def test_secrets_are_neither_logged_nor_printed(keys: Path, start_server: Callable[..., Server]) -> None:
    key = new_key(keys, "quiet")
    hash_key = "00112233445566778899aabbccddeeff"
    server = start_server("--auth.keys-file", keys, "--logging.level", "debug", "--flows.hash-key", hash_key)
    status(server, "POST", "/v1/classify", key, {"flows": [packets_of_a_second("secret name")]})
    status(server, "GET", "/v2", key + "x")
    wait_until(lambda: any(line["event"] == "request" for line in server.lines), "a request in the debug log")
    text = str(server.lines)
    for secret in (key, "secret name", hash_key, "127.0.0.1"):
        assert secret not in text, secret
    printed = run_server_command("--print-config", "--flows.hash-key", hash_key)
    assert printed.returncode == 0 and hash_key not in printed.stdout


def test_the_program_needs_no_root_and_no_writable_folder_but_the_logs() -> None:
    # Everything it writes is named by the configuration; by default that is the log alone.
    text = run_server_command("--print-config").stdout
    named = [line for line in text.splitlines() if re.match(r"(file|snapshot|folder) =", line)]
    assert len(named) == 3 and SERVER.exists()
