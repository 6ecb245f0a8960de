"""TLS and client certificates, with certificates that openssl makes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
import requests
from bundles import tiny_row
from harness import CAPTURES, Server, run_cli, run_server_command

WINDOW = {"windows": [{"flow": "f", "second": 1, "features": tiny_row(9.0)}]}


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_authority(folder: Path, name: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", key, "-out", certificate)  # fmt: skip
    return certificate, key


def make_certificate(folder: Path, name: str, authority: tuple[Path, Path]) -> tuple[Path, Path]:
    certificate, key, request = folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.csr"
    extensions = folder / "names.cnf"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", key, "-out", request)  # fmt: skip
    openssl("x509", "-req", "-in", request, "-CA", authority[0], "-CAkey", authority[1], "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", certificate)  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("pki")
    authority = make_authority(folder, "authority")
    return SimpleNamespace(
        ca=authority[0],
        server=make_certificate(folder, "localhost", authority),
        client=make_certificate(folder, "collector-7", authority),
        other=make_certificate(folder, "collector-8", authority),
        stranger=make_certificate(folder, "stranger", make_authority(folder, "another-authority")),
    )


def secure_channel(server: Server, pki: SimpleNamespace, client: tuple[Path, Path] | None = None) -> grpc.Channel:
    certificate, key = client or (None, None)
    credentials = grpc.ssl_channel_credentials(
        pki.ca.read_bytes(), key.read_bytes() if key else None, certificate.read_bytes() if certificate else None
    )
    return grpc.secure_channel(server.grpc_target, credentials)


def classify(channel: grpc.Channel, stubs: SimpleNamespace) -> int:
    window = stubs.pb.Window(flow=b"f", second=1, features=tiny_row(9.0))
    answer = stubs.rpc.FlowClassifierStub(channel).Classify(stubs.pb.ClassifyRequest(windows=[window]), timeout=15)
    return len(answer.labels)


def test_tls(pki: SimpleNamespace, start_server: Callable[..., Server], stubs: SimpleNamespace) -> None:
    certificate, key = pki.server
    server = start_server("--tls.certificate", certificate, "--tls.key", key, scheme="https")
    assert server.post("/v1/classify", WINDOW, verify=pki.ca).status_code == 200
    with pytest.raises(requests.exceptions.SSLError):
        server.get("/v2", verify=True)  # nobody it knows signed that
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"http://localhost:{server.http_port}/v2", timeout=15)
    with secure_channel(server, pki) as channel:
        assert classify(channel, stubs) == 1
    with grpc.insecure_channel(server.grpc_target) as channel, pytest.raises(grpc.RpcError):
        classify(channel, stubs)
    done = run_cli("classify", CAPTURES / "feed-h2.pcap", "--server", f"grpcs://{server.grpc_target}", "--ca", pki.ca)
    assert done.returncode == 0, done.stderr
    assert server.post("/v1/classify", WINDOW, verify=pki.ca).status_code == 200
    server.stop()
    assert [line for line in server.lines if line["level"] == "error"] == []
    assert "127.0.0.1" not in str(server.lines) and "::1" not in str(server.lines)


def test_a_large_answer_and_upload_over_tls(pki: SimpleNamespace, start_server: Callable[..., Server]) -> None:
    certificate, key = pki.server
    server = start_server("--tls.certificate", certificate, "--tls.key", key, scheme="https")
    assert len(server.get("/openapi.json", verify=pki.ca).content) > 50_000
    data = (CAPTURES / "reels-h3.pcap").read_bytes()
    answer = server.request("POST", "/v1/analyses", data=data, verify=pki.ca,
                            headers={"Content-Type": "application/octet-stream"})  # fmt: skip
    assert answer.status_code == 202


def test_mutual_tls(pki: SimpleNamespace, start_server: Callable[..., Server], stubs: SimpleNamespace) -> None:
    certificate, key = pki.server
    server = start_server("--tls.certificate", certificate, "--tls.key", key, "--tls.client-ca", pki.ca, scheme="https")
    as_client = {"verify": pki.ca, "cert": pki.client}
    assert server.post("/v1/classify", WINDOW, **as_client).status_code == 200
    truth = {"truths": [{"flow": "f", "second": 1, "truth": "video"}]}
    assert server.post("/v1/feedback", truth, **as_client).status_code == 200
    assert server.get("/v1/logs", **as_client).status_code == 403  # somebody, but nobody says who: no administrator
    for cert in (None, pki.stranger):
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(server.url + "/v2", verify=pki.ca, cert=cert, timeout=15)
        with secure_channel(server, pki, cert) as channel, pytest.raises(grpc.RpcError):
            classify(channel, stubs)
    with secure_channel(server, pki, pki.client) as channel:
        assert classify(channel, stubs) == 1


def test_a_certificates_name_is_who_asks(
    pki: SimpleNamespace, start_server: Callable[..., Server], stubs: SimpleNamespace
) -> None:
    certificate, key = pki.server
    server = start_server("--tls.certificate", certificate, "--tls.key", key, "--tls.client-ca", pki.ca,
                          "--auth.trust-client-certificates", "true", scheme="https")  # fmt: skip

    def get(path: str, cert: tuple[Path, Path]) -> int:
        return requests.get(server.url + path, verify=pki.ca, cert=cert, timeout=15).status_code

    with secure_channel(server, pki, pki.client) as channel:
        assert classify(channel, stubs) == 1
    assert get("/v1/flows/f", pki.client) == 200  # the same client over REST
    assert get("/v1/flows/f", pki.other) == 404
    assert get("/v1/logs", pki.client) == 403  # infer and feedback only


@pytest.mark.parametrize("wrong", ["no certificate", "no key", "key of another", "not PEM", "missing"])
def test_wrong_tls_files_are_told_at_the_start(
    pki: SimpleNamespace, tmp_path: Path, tiny_models: Path, wrong: str
) -> None:
    certificate, key = (str(file) for file in pki.server)
    junk = tmp_path / "junk.pem"
    junk.write_text("junk\n")
    flags = {
        "no certificate": ["--tls.key", key],
        "no key": ["--tls.certificate", certificate],
        "key of another": ["--tls.certificate", certificate, "--tls.key", str(pki.client[1])],
        "not PEM": ["--tls.certificate", str(junk), "--tls.key", key],
        "missing": ["--tls.certificate", str(tmp_path / "nothing.pem"), "--tls.key", key],
    }[wrong]
    done = run_server_command(*flags, "--http.listen", "127.0.0.1:0", "--grpc.listen", "127.0.0.1:0",
                              "--log.file", tmp_path / "log.sqlite", "--models.path", tiny_models,
                              "--models.default-model", "tiny-ue")  # fmt: skip
    assert done.returncode in (1, 2)
    assert "tls." in done.stderr, done.stderr
