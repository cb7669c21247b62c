"""Downloads that end before their end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import FileAttachment
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.support.gateways import ServedGateway

# More than what the system keeps for a client that does not read.
SIZE = 30_000_000


@pytest.fixture
def path(box: Sandbox) -> str:
    """The path of a long content."""
    box.post_message(KNOWN_CHAT, "", files={"long.bin": bytes(SIZE)})
    (message,) = box.connect().chats.at(KNOWN_CHAT).get_messages(1)
    (attachment,) = message.attachments
    assert isinstance(attachment, FileAttachment)
    return f"/v1/bot/attachments/{attachment.aid}/content/"


def get(gateway: ServedGateway, path: str) -> requests.Response:
    response = requests.get(gateway.url + path, auth=gateway.login, timeout=PATIENCE, stream=True)
    response.raw.enforce_content_length = True  # the default of urllib3 2
    return response


def test_what_breaks_off_at_the_upstream_breaks_off(
    over_http: ServedGateway, box: Sandbox, path: str
) -> None:
    """It must not look as if it were whole."""
    box.fault("GET", path, cut=SIZE // 2)
    with pytest.raises(requests.exceptions.RequestException):
        get(over_http, path).content  # noqa: B018


def test_what_breaks_off_is_one_line_in_the_log(
    over_http: ServedGateway, box: Sandbox, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault("GET", path, cut=SIZE // 2)
    with pytest.raises(requests.exceptions.RequestException):
        get(over_http, path).content  # noqa: B018
    logged = [each for each in caplog.records if each.levelname != "INFO"]

    assert [each.getMessage() for each in logged] == ["a download broke off: TWConnectionError"]
    assert logged[0].exc_info is None


def test_size_and_media_type_are_those_of_the_upstream(over_http: ServedGateway, path: str) -> None:
    headers = get(over_http, path).headers

    assert headers["Content-Length"] == str(SIZE)
    assert headers["Content-Type"] == "application/octet-stream"


def test_what_fails_before_its_first_byte_is_an_error(
    over_http: ServedGateway, box: Sandbox, path: str
) -> None:
    box.fault("GET", path, status=500)

    assert get(over_http, path).json()["error"]["code"] == "bad_gateway"


def test_a_client_that_goes_ends_the_download(over_http: ServedGateway, path: str) -> None:
    with get(over_http, path) as answer:
        next(answer.iter_content(1000))
        assert "teamwire-gateway-download" in {each.name for each in threading.enumerate()}
    wait_until(
        lambda: "teamwire-gateway-download" not in {each.name for each in threading.enumerate()}
    )
