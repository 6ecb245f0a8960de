"""schemathesis holds the OpenAPI document against the server: what it generates from it must be answered as it says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from harness import MODELS, Server
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 15  # of an operation


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: what is generated unloads models and submits captures."""
    server = Server(tmp_path_factory.mktemp("openapi"), "--models.poll-s", "0", "--analyses.kept", "8", models=MODELS)
    yield server
    server.check_serving()
    server.stop()
    assert [line for line in server.lines if line["level"] == "error" and line["event"] != "model_refused"] == []


@pytest.fixture(scope="module")
def document(generated: Server) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(generated.get("/openapi.json").json())


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_operations_are_as_the_document_says(generated: Server, case: Case) -> None:
    answer = case.call(base_url=generated.url, session=generated.session, timeout=60)
    # A millisecond may pass before an answer; whoever asks for it in one is told so.
    checks = CHECKS[1:] if answer.status_code == 504 else CHECKS
    case.validate_response(answer, checks=checks)
