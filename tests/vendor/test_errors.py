"""The errors of the vendor's SDK as ours, and what they may show."""

from __future__ import annotations

import asyncio
import copy
import socket
import ssl
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import exceptions
from teamwire_sync._transport import ChatDraft, MemberEdit, MessageDraft
from teamwire_sync._vendor import VendorTransport
from teamwire_sync._vendor.errors import cause_of, is_lasting, kind_of, translate
from teamwire_sync.exceptions import (
    TWAuthError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWNotFoundError,
    TWServerError,
)
from tests.support.builders import make_chat, pickled
from tests.support.fake_sdk import FakeSdk, vendor_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.vendor.conftest import Vendor

DOCUMENTED = [
    "TWAuthError",
    "TWConnectionError",
    "TWImageLoadError",
    "TWInvalidMembersError",
    "TWNotFoundError",
    "TWServerError",
]
NETWORK = [
    ConnectionRefusedError("refused"),
    ConnectionResetError("reset"),
    BrokenPipeError("broken"),
    TimeoutError("late"),
    asyncio.TimeoutError("late"),
    socket.gaierror("no such host"),
    ssl.SSLError("no such certificate"),
]
# Of those that any package may raise, and of what is no Exception.
UNKNOWN = [KeyError("tid"), AttributeError("x"), OSError("x"), SystemExit(1), KeyboardInterrupt()]
SECRETS = [
    "Basic S3cr3t==",
    "bearer S3cr3t.x-y_z",
    "Authorization: Basic S3cr3t==",
    "Authorization: Token S3cr3t",
    "{'Authorization': 'Basic S3cr3t=='}",
    "{'Authorization': 'Bearer S3cr3t S3cr3t'}",
    "authorization=S3cr3t",
    "secret=S3cr3t",
    "secret = 'S3cr3t S3cr3t'",
    "client_secret: S3cr3t",
    "SECRET_KEY=S3cr3t",
    "?app=1&secret=S3cr3t&page=2",
    '{"token": "S3cr3t"}',
    '{"access_token":"S3cr3t, S3cr3t"}',
    r'{"token": "\"S3cr3t S3cr3t"}',
    r"{\"token\": \"S3cr3t S3cr3t\"}",
    "X-Auth-Token: S3cr3t",
    "password=S3cr3t",
    "passwd: S3cr3t",
    "{'password': 'S3cr3t'}",
    "https://app:S3cr3t@backend.example.org/v1/",
    "http://S3cr3t@backend.example.org",
    "https://app:S3cr3t@S3cr3t@backend.example.org/",
    "wss://app:S3cr3t@backend.example.org",
    "secret=\nS3cr3t",
]
HARMLESS = [
    "the token is invalid",
    "Cannot connect to host backend.example.org:443 ssl:default",
    "no chat 7MQKchz6wsSzmWTVnppGAc: 404, title='test'",
    "GET https://backend.example.org/v1/chats/?page=2 -> 503",
    "mail to ada@example.org",
    "the secretary has left",
]
MAY_BE_DONE = "it may have been done or not; look there"

each_documented = pytest.mark.parametrize("name", DOCUMENTED)
each_network = pytest.mark.parametrize("error", NETWORK, ids=repr)
each_unknown = pytest.mark.parametrize("error", UNKNOWN, ids=repr)


def cause(text: str) -> str:
    """What is shown of the text of an error."""
    shown = cause_of(ValueError(text))
    assert shown.startswith("ValueError: ")
    return shown[len("ValueError: ") :]


def ours(error: BaseException, *, sent: bool = False) -> TWError:
    return translate(error, "chat.post", sent=sent, hint="look there")


class TestCause:
    def test_names_the_type(self) -> None:
        assert cause_of(KeyError("tid")) == "KeyError: 'tid'"

    def test_of_an_error_without_a_text_is_the_type(self) -> None:
        assert cause_of(ValueError(" \n")) == "ValueError"

    def test_is_one_line(self) -> None:
        assert cause(" one\r\n\ttwo\u2028three  four ") == "one two three four"

    def test_has_300_letters_of_a_text_at_most(self) -> None:
        assert cause("x" * 300) == "x" * 300
        assert cause("x" * 301) == "x" * 300 + "..."

    def test_of_a_huge_text_is_short(self) -> None:
        assert cause("ab " * 1_000_000) == "ab " * 100 + "..."

    def test_has_no_letters_that_a_terminal_would_obey(self) -> None:
        assert cause("a\x1b[2Jb\x00c\u202ed") == "a?[2Jb?c?d"

    def test_keeps_letters_of_all_languages(self) -> None:
        assert cause("Übergabe 夜 🙂") == "Übergabe 夜 🙂"

    def test_of_an_error_that_has_no_text_to_give_is_the_type(self) -> None:
        class Mute(Exception):  # noqa: N818
            def __str__(self) -> str:
                raise RuntimeError

        assert cause_of(Mute()) == "Mute"


class TestSecrets:
    def test_are_not_shown(self) -> None:
        shown = {text: cause(f"before {text} after") for text in SECRETS}

        assert [
            (text, each)
            for text, each in shown.items()
            if "S3cr3t" in each or "***" not in each or not each.startswith("before ")
        ] == []

    def test_are_not_shown_where_the_text_is_cut(self) -> None:
        assert "S3c" not in cause("x" * 289 + " secret=S3cr3t")

    def test_what_stands_around_them_is_shown(self) -> None:
        shown = cause("POST https://app:S3cr3t@example.org/v1/?secret=S3cr3t&page=2 failed")

        assert shown == "POST https://***@example.org/v1/?secret=***&page=2 failed"

    def test_are_in_no_field_of_an_error(self) -> None:
        error = ours(vendor_error("TWAuthError", "secret=S3cr3t"))

        assert "S3cr3t" not in f"{error!r} {vars(error)}"

    def test_a_harmless_text_stays_as_it_is(self) -> None:
        assert [text for text in HARMLESS if cause(text) != text] == []


class TestKind:
    @each_documented
    def test_what_is_documented_is_ours_of_the_same_name(self, name: str) -> None:
        assert type(ours(vendor_error(name))) is getattr(exceptions, name)

    @pytest.mark.parametrize("vendor", ["1.8"], indirect=True)
    def test_all_that_their_module_has_is_known(self, vendor: Vendor) -> None:
        theirs = [
            each
            for each in vars(vendor.package.exceptions).values()
            if isinstance(each, type) and issubclass(each, Exception)
        ]
        named = {each.__name__ for each in theirs if kind_of(each()) is not None}

        assert named == set(DOCUMENTED)

    @each_documented
    def test_a_class_below_one_that_is_documented_is_that(self, name: str) -> None:
        theirs = type(vendor_error(name))
        below = vendor_error("More", base=type(vendor_error("Less", base=theirs)))

        assert type(ours(below)) is getattr(exceptions, name)

    def test_the_nearest_class_counts(self) -> None:
        server = type("TWServerError", (Exception,), {})
        gone = type("TWNotFoundError", (server,), {})

        assert type(ours(gone("no"))) is TWNotFoundError

    def test_a_class_that_is_ours_alone_is_not_theirs(self) -> None:
        assert type(ours(vendor_error("TWRequestError"))) is TWServerError

    @each_network
    def test_the_networks_are_connection_errors(self, error: Exception) -> None:
        assert type(ours(error)) is TWConnectionError

    @each_unknown
    def test_any_other_is_a_server_error_that_names_its_type(self, error: BaseException) -> None:
        mine = ours(error)

        assert type(mine) is TWServerError
        assert f"the vendor's SDK failed with {type(error).__name__}" in str(mine)

    def test_the_text_says_what_was_called_and_what_came_of_it(self) -> None:
        error = ours(vendor_error("TWAuthError", "not allowed"))

        assert str(error) == "chat.post: TWAuthError: not allowed"

    def test_the_cause_is_kept(self) -> None:
        assert ours(KeyError("tid")).cause == "KeyError: 'tid'"


class TestSent:
    @pytest.mark.parametrize("error", [vendor_error("TWConnectionError"), *NETWORK], ids=repr)
    def test_a_connection_error_is_a_delivery_unknown(self, error: Exception) -> None:
        mine = ours(error, sent=True)

        assert type(mine) is TWDeliveryUnknownError
        assert mine.cause == cause_of(error)

    @pytest.mark.parametrize("error", [vendor_error("TWServerError"), *UNKNOWN], ids=repr)
    def test_a_server_error_stays_one(self, error: BaseException) -> None:
        assert type(ours(error, sent=True)) is TWServerError

    @pytest.mark.parametrize(
        "error",
        [vendor_error("TWConnectionError"), vendor_error("TWServerError"), KeyError("x")],
        ids=repr,
    )
    def test_the_text_says_how_to_find_out(self, error: Exception) -> None:
        assert str(ours(error, sent=True)).endswith(MAY_BE_DONE)

    @pytest.mark.parametrize(
        "name", ["TWAuthError", "TWImageLoadError", "TWInvalidMembersError", "TWNotFoundError"]
    )
    def test_a_refusal_is_what_it_was(self, name: str) -> None:
        error = vendor_error(name)

        assert type(ours(error, sent=True)) is type(ours(error))
        assert str(ours(error, sent=True)) == str(ours(error))

    @pytest.mark.parametrize(
        "error", [vendor_error("TWConnectionError"), vendor_error("TWServerError"), *UNKNOWN]
    )
    def test_what_was_not_sent_was_not_done(self, error: BaseException) -> None:
        assert MAY_BE_DONE not in str(ours(error))


class TestLasting:
    def test_what_may_be_the_connections_end_is(self) -> None:
        errors = [vendor_error("TWConnectionError"), *NETWORK, *UNKNOWN]

        assert [error for error in errors if not is_lasting(error)] == []

    def test_what_the_server_said_is_not(self) -> None:
        said = set(DOCUMENTED) - {"TWConnectionError"}

        assert [name for name in said if is_lasting(vendor_error(name))] == []


@pytest.fixture
def sdk() -> FakeSdk:
    return FakeSdk()


@pytest.fixture
def transport(sdk: FakeSdk) -> Iterator[VendorTransport]:
    transport = VendorTransport(sdk.connect)
    yield transport
    transport.close()


# The method of theirs that fails, and a call that makes use of it.
CALLS: dict[str, Any] = {
    "enter": lambda transport: transport.get_user("u1", deadline=None),
    "get_subscriptions": lambda transport: list(
        transport.iter_chat_pages(validator=None, deadline=None)
    ),
    "load_avatar": lambda transport: transport.get_avatar("u1", deadline=None),
    "create_chat": lambda transport: transport.create_chat(
        ChatDraft(user_ids=["u1"], group_ids=["g1"]), deadline=None
    ),
    "post": lambda transport: transport.post_message(
        make_chat(), MessageDraft(message="hello"), deadline=None
    ),
    "add_members": lambda transport: transport.edit_group_members(
        "g1", MemberEdit(add_users=["u1"]), deadline=None
    ),
}


@pytest.fixture(scope="module")
def raised() -> dict[tuple[str, str], TWError]:
    """What comes of each of their errors in each call."""
    errors = {}
    for call, name in product(CALLS, [*DOCUMENTED, "SomethingElse"]):
        sdk = FakeSdk()
        sdk.errors[call] = vendor_error(name, "no, secret=S3cr3t")
        transport = VendorTransport(sdk.connect)
        try:
            CALLS[call](transport)
        except TWError as error:
            errors[call, name] = error
        finally:
            transport.close()
    return errors


class TestRaised:
    def test_by_every_call(self, raised: dict[tuple[str, str], TWError]) -> None:
        assert list(raised) == list(product(CALLS, [*DOCUMENTED, "SomethingElse"]))

    def test_is_chained_to_none_of_theirs(self, raised: dict[tuple[str, str], TWError]) -> None:
        assert [key for key, error in raised.items() if error.__cause__ or error.__context__] == []

    @pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
    def test_survives_a_pickle_and_a_copy(
        self, raised: dict[tuple[str, str], TWError], again: Any
    ) -> None:
        def parts(error: TWError) -> tuple[object, ...]:
            return type(error), error.args, vars(error)

        assert [key for key, error in raised.items() if parts(again(error)) != parts(error)] == []

    def test_tells_the_cause_in_one_line(self, raised: dict[tuple[str, str], TWError]) -> None:
        assert [
            (call, name, error)
            for (call, name), error in raised.items()
            if error.cause != f"{name}: no, secret=***" or error.cause not in str(error)
        ] == []


def test_a_login_that_fails_unknown_is_a_connection_error(
    sdk: FakeSdk, transport: VendorTransport
) -> None:
    sdk.errors["enter"] = KeyError("x")

    with pytest.raises(TWConnectionError, match="could not be opened: KeyError"):
        transport.get_user("u1", deadline=None)


def test_a_login_that_is_refused_says_that_the_credentials_are_not_known(
    sdk: FakeSdk, transport: VendorTransport
) -> None:
    sdk.errors["enter"] = vendor_error("TWAuthError")

    with pytest.raises(TWAuthError) as caught:
        transport.get_user("u1", deadline=None)

    assert caught.value.code == "unauthorized"
