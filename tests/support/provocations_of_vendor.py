"""Provoking the lines of docs/troubleshooting.md about the vendor's SDK."""

from __future__ import annotations

import sys
from typing import Any
from unittest.mock import patch

from teamwire_sync import Connection
from teamwire_sync._vendor.session import VendorSession
from tests.support.fake_sdk import FakeConnection, FakeSdk, vendor_error
from tests.support.provocations import logs, shows


def connected(sdk: FakeSdk) -> Connection:
    return Connection.from_vendor(sdk.connect)


class OldConnection(FakeConnection):
    """Of a version that knows fewer properties of a chat."""

    async def _create_chat(self, title: str = "", users: Any = ()) -> Any:  # type: ignore[override]
        raise AssertionError


def failing(name: str, error: BaseException) -> Connection:
    """A Connection of which a call of the vendor's SDK fails; "enter" is the login."""
    sdk = FakeSdk()
    sdk.errors[name] = error
    return connected(sdk)


@shows(
    "the vendor's SDK is not installed: teamwire_sync needs the package teamwire_api in this "
    "Python (/usr/bin/python3). It comes from Teamwire, not from PyPI: see "
    "https://sdk.teamwire.eu and docs/connect.md"
)
def _() -> object:
    with (
        patch.dict(sys.modules, {"teamwire_api": None}),
        patch.object(sys, "executable", "/usr/bin/python3"),
    ):
        return Connection.from_vendor()


@shows(
    "the vendor's connection can't be created: ValueError: no App ID; the vendor's SDK finds its "
    "own settings: see docs/connect.md"
)
def _() -> object:
    def factory() -> Any:
        message = "no App ID"
        raise ValueError(message)

    with Connection.from_vendor(factory) as connection:
        return connection.chats.get_subscriptions()


@shows("the vendor's connection could not be opened: TWAuthError: wrong credentials")
def _() -> object:
    with failing("enter", vendor_error("TWAuthError", "wrong credentials")) as connection:
        return connection.chats.get_subscriptions()


@shows("chats.get_subscriptions: the vendor's SDK failed with KeyError: 'title'")
def _() -> object:
    with failing("get_subscriptions", KeyError("title")) as connection:
        return connection.chats.get_subscriptions()


@shows(
    "with the vendor's SDK, teamwire_sync can't listen to events: the published documentation of "
    "the vendor's SDK does not describe how; see docs/vendor.md"
)
def _() -> object:
    with connected(FakeSdk()) as connection:
        return connection.events()


@shows("chats.create_chat of this version of the vendor's SDK has no allow_sending")
def _() -> object:
    with Connection.from_vendor(lambda: OldConnection(FakeSdk())) as connection:
        return connection.chats.create_chat(title="test", users=["u1"], allow_sending=False)


@shows(
    "chat.post: TWConnectionError: reset; it may have been done or not; any Teamwire app shows the "
    "message in the chat if it was posted"
)
def _() -> object:
    with failing("post", vendor_error("TWConnectionError", "reset")) as connection:
        return connection.chats.at("t1").post("hello")


@shows("reply_to.mid is empty")
def _() -> object:
    with connected(FakeSdk()) as connection:
        return connection.chats.at("t1").post("hello").reply("and more")


@logs(
    "the thread of the vendor's SDK has not ended within 5 s: something in the SDK blocks its "
    "event loop; the thread ends with the process"
)
def _() -> object:
    with connected(FakeSdk()) as connection:
        connection.chats.get_subscriptions()
        with patch.object(VendorSession, "join", lambda *_: False):
            connection.close()
    return None
