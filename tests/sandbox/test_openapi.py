"""The sandbox against the contract's file: its answers are what openapi.yaml says."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import Sandbox, sandbox
from tests.contract.schemas import CONTRACT as DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis 4 needs Python 3.10", exc_type=ImportError
)
hypothesis = pytest.importorskip("hypothesis")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

CONTRACT = schemathesis.openapi.from_dict(
    DOCUMENT,
    # Generated credentials would count as wrong ones although the tests put the right ones there;
    # the check for ignored credentials sends wrong ones by itself.
    config=schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}}),
)
LISTING = "list_chats"
OPERATIONS = [result.ok() for result in CONTRACT.get_all_operations()]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox for all the requests of one operation, which may leave no chat as it was."""
    with sandbox(chats=30) as running:
        yield running


def headers_of(box: Sandbox) -> dict[str, str]:
    """The sandbox's credentials as a header, which schemathesis knows how to leave out."""
    credentials = base64.b64encode(f"{box.app_id}:{box.secret}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


@pytest.mark.slow
@CONTRACT.parametrize()
@hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=10,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_answer_conforms_to_the_contract(case: Any, box: Sandbox) -> None:
    """Status, headers and body of each answer are documented, whatever was sent."""
    case.call_and_validate(
        box.url,
        headers=headers_of(box),
        # What a schema allows may still be refused by the domain: unknown ids, no recipient.
        excluded_checks=[checks.positive_data_acceptance],
    )


def _examples(parameters: Any) -> dict[str, Any]:
    """The examples of the parameters that a request must have."""
    return {
        parameter.name: parameter.definition["example"]
        for parameter in parameters
        if parameter.is_required
    }


def _documented_requests(operation: Any) -> Iterator[dict[str, Any]]:
    """The requests that the examples of an operation describe."""
    path = {
        "path_parameters": _examples(operation.path_parameters),
        "query": _examples(operation.query),
    }
    bodies = [
        (media_type, example)
        for media_type, content in operation.definition.raw.get("requestBody", {})
        .get("content", {})
        .items()
        for example in (
            [content["example"]]
            if "example" in content
            else [named["value"] for named in content.get("examples", {}).values()]
        )
    ]
    for media_type, body in bodies:
        yield {**path, "body": body, "media_type": media_type}
    if not bodies:
        yield path


def test_documented_examples_reach_each_documented_success() -> None:
    """The examples of the file work on a sandbox, and lead to each 2xx answer."""
    documented, reached = {}, {}
    for operation in OPERATIONS:
        with sandbox(chats=30) as box:
            box.add_members(KNOWN_CHAT, [KNOWN_USER])
            answers = [
                operation.Case(**request).call_and_validate(box.url, headers=headers_of(box))
                for request in _documented_requests(operation)
            ]
        reached[operation.label] = {answer.status_code for answer in answers}
        documented[operation.label] = {
            int(status) for status in operation.definition.raw["responses"] if status[0] == "2"
        }
    assert reached == documented


def test_each_answer_to_since_conforms_to_the_contract() -> None:
    """The changes, none of them, a refusal and an invalid revision."""
    (operation,) = (each for each in OPERATIONS if each.definition.raw["operationId"] == LISTING)
    with sandbox(chats=30) as box:
        listed = operation.Case().call(box.url, headers=headers_of(box)).headers
        revision = int(listed["teamwire-revision"][0])
        box.remove_chat(KNOWN_CHAT)
        box.add_chat("new", users=[KNOWN_USER])
        found = []
        for since, etag in ((revision, None), (revision, "*"), (5, None), (-5, None)):
            headers = {**headers_of(box), **({} if etag is None else {"If-None-Match": etag})}
            answer = operation.Case(query={"since": since}).call_and_validate(
                box.url, headers=headers, excluded_checks=[checks.positive_data_acceptance]
            )
            found.append(answer.status_code)
    assert found == [200, 304, 410, 422]


def test_each_operation_has_the_name_that_the_clients_use() -> None:
    """The operations of the contract, no more and no fewer."""
    names = {operation.definition.raw["operationId"] for operation in OPERATIONS}
    assert names == {
        "health",
        "ready",
        "get_me",
        "list_chats",
        "create_chat",
        "edit_chat",
        "edit_members",
        "leave_chat",
        "edit_admins",
        "list_messages",
        "post_message",
        "upload_attachment",
        "download_attachment",
        "list_users",
        "get_user",
        "get_avatar",
        "list_groups",
        "get_group",
        "edit_group_members",
        "list_events",
    }
