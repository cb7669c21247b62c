"""Answers that hypothesis spoils: each is decoded to a whole model, or refused in one line."""

from __future__ import annotations

import copy
import json
from typing import Any, Callable

import pytest

from teamwire_sync import (
    AlertType,
    Chat,
    ChatHandle,
    ChatType,
    Group,
    Message,
    TWAuthError,
    TWConfigError,
    TWError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    User,
)
from teamwire_sync._display import ChatList
from teamwire_sync._transports.answers import Answer
from teamwire_sync._transports.sessions import Received
from teamwire_sync._transports.strict_json import decode_json
from teamwire_sync._transports.wire import OPERATIONS, Decoder
from tests.builders import (
    chat_answer,
    chat_doc,
    group_answer,
    group_doc,
    message_answer,
    message_doc,
    page_doc,
    pickled,
    user_doc,
)

pytest.importorskip("hypothesis", reason="the answers are spoilt by hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHAT = ChatHandle("t1")
Path = tuple[Any, ...]

FULL_CHAT = chat_doc(user_ids=["u1", "u2"], group_ids=["g1"], admin_ids=["u1"])
BESIDE = {
    "users": [user_doc("u1"), user_doc("u2", is_bot=True, mood="fine")],
    "groups": [group_doc("g1", owner_id="u2")],
}
# For each operation: a good answer, and how it is decoded.
ANSWERS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "get_me": ({"user": user_doc()}, lambda raw: Decoder().me(raw)),
    "get_user": ({"user": user_doc()}, lambda raw: Decoder().user(raw)),
    "get_group": (
        group_answer(group_doc(owner_id="u1"), users=(user_doc("u1"), user_doc("u2"))),
        lambda raw: Decoder().group(raw),
    ),
    "list_chats": (
        page_doc(FULL_CHAT, chat_doc("t2", colour="red"), **BESIDE, next_cursor="more"),
        lambda raw: Decoder().page(raw),
    ),
    "create_chat": (chat_answer(FULL_CHAT, **BESIDE), lambda raw: Decoder().chat(raw)),
    "post_message": (
        message_answer(message_doc(alert_type="note", reply_to="m0", seen=[1])),
        lambda raw: Decoder().message(raw, CHAT),
    ),
}

# What json.loads makes of any bytes at all: half surrogate pairs and infinities are of it.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 10**18, -(10**639), 1e400, -0.0, 1.0])
    | st.floats(allow_nan=False)
    | st.text(st.characters(), max_size=5)
    | st.sampled_from(["", "u1", "u2", "g1", "t1", "\ud800", "\x1b[31m\0\r\n", "x" * 10_000])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.sampled_from([user_doc("u1"), group_doc("g1"), chat_doc("t1"), message_doc("m1")])
    ),
    max_leaves=8,
)


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def places(value: Any, path: Path = ()) -> list[Path]:
    """Where the values in *value* are."""
    found = [path]
    inside = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else inside:
        found += places(inner, (*path, key))
    return found


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


@st.composite
def spoilt(draw: st.DrawFn, document: Any) -> Any:
    """*document* with something else in up to three places."""
    root = {"": copy.deepcopy(document)}
    for _ in range(draw(st.integers(1, 3))):
        anywhere = st.sampled_from(places(root[""], ("",)))
        *way, key = draw(anywhere)
        parent = at(root, tuple(way))
        change = draw(st.sampled_from([*CHANGES, delete] if way else CHANGES))
        change(draw, parent, key, anywhere.map(lambda path: copy.deepcopy(at(root, path))))
    return root[""]


def replace(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    parent[key] = copy.deepcopy(draw(VALUES))


def move(draw: st.DrawFn, parent: Any, key: Any, others: st.SearchStrategy[Any]) -> None:
    parent[key] = draw(others)


def add(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    value, more = parent[key], copy.deepcopy(draw(VALUES))
    if isinstance(value, dict):
        value[draw(st.text(max_size=3))] = more
    elif isinstance(value, list):
        value.insert(0, more)


def nest(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    parent[key] = nested(parent[key], draw(st.sampled_from([1, 2, 60, 300])))


def repeat(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    if isinstance(parent[key], list):
        parent[key] += copy.deepcopy(parent[key])


def delete(draw: st.DrawFn, parent: Any, key: Any, _: Any) -> None:
    del parent[key]


CHANGES = [replace, move, add, nest, repeat]


def check_text(error: TWError) -> None:
    assert (error.__cause__, error.__context__) == (None, None)
    assert str(error).isprintable()
    assert 0 < len(str(error)) < 1000


def check_value(value: Any) -> None:
    """It can be compared, hashed, shown, copied and pickled."""
    again = pickled(value)
    assert again == value
    assert hash(again) == hash(value)
    assert copy.copy(value) == copy.deepcopy(value) == value
    assert repr(again) == str(value)
    assert repr(value).isprintable()


def check_user(user: User) -> None:
    assert {type(each) for each in (user.uid, user.first_name, user.last_name)} == {str}
    assert type(user.organisation) in {str, type(None)}
    assert type(user.is_bot) is bool
    assert type(user.full_name()) is str
    assert type(user.extra) is dict
    check_value(user)


def check_group(group: Group) -> None:
    assert {type(group.gid), type(group.title)} == {str}
    assert {type(each) for each in (group.is_circle, group.is_list, group.is_public)} == {bool}
    for user in (*(group._members or ()), *((group.owner,) if group.owner else ())):
        check_user(user)
    check_value(group)


def check_chat(chat: Chat) -> None:
    assert type(chat) is Chat
    assert type(chat.tid) is str
    assert type(chat.title) in {str, type(None)}
    assert type(chat.type) is ChatType
    flags = (chat.is_alert, chat.allow_sending, chat.allow_mute_notifications, chat.is_closed)
    assert {type(each) for each in flags} == {bool}
    for user in (*chat.users, *chat.admins):
        check_user(user)
    for group in (*chat.groups, *chat.circles, *chat.lists):
        check_group(group)
    assert type(ChatList([chat])._repr_html_()) is str
    check_value(chat)


def check_message(message: Message) -> None:
    assert type(message.mid) is str
    assert {type(message.is_alert), type(message.deleted)} == {bool}
    assert type(message.alert_type) in {AlertType, type(None)}
    for text in (message.msg, message.reply_to, message.sender_display_name):
        assert type(text) in {str, type(None)}
    assert type(message.timestamp) is int
    assert 1 <= message.tstamp_date.year <= 9999
    check_user(message.from_user)
    check_value(message)


def check_page(page: tuple[list[Chat], str | None]) -> None:
    chats, cursor = page
    for chat in chats:
        check_chat(chat)
    assert cursor is None or cursor.encode()


CHECKS: dict[str, Callable[[Any], None]] = {
    "get_me": check_user,
    "get_user": check_user,
    "get_group": check_group,
    "list_chats": check_page,
    "create_chat": check_chat,
    "post_message": check_message,
}
each_operation = pytest.mark.parametrize("name", ANSWERS)
some = settings(
    max_examples=300,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class TestSuccess:
    @each_operation
    def test_a_good_answer_is_a_whole_model(self, name: str) -> None:
        document, decode = ANSWERS[name]

        CHECKS[name](decode(document))

    @each_operation
    @some
    @given(data=st.data())
    def test_a_spoilt_answer_is_a_whole_model_or_refused(
        self, name: str, data: st.DataObject
    ) -> None:
        document, decode = ANSWERS[name]
        body = json.dumps(data.draw(spoilt(document))).encode()
        try:
            model = decode(decode_json(body))
        except TWProtocolError as error:
            check_text(error)
        else:
            CHECKS[name](model)

    @each_operation
    @some
    @given(data=st.data())
    def test_so_is_one_whose_bytes_are_spoilt(self, name: str, data: st.DataObject) -> None:
        document, decode = ANSWERS[name]
        body = bytearray(json.dumps(document).encode())
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, len(body)))
            end = start + data.draw(st.integers(0, 8))
            body[start:end] = data.draw(
                st.binary(max_size=4)
                | st.sampled_from(
                    [b"NaN", b"9" * 5000, b"\xed\xa0\x80", b'"uid": "u1",', b"[" * 999]
                )
            )
        try:
            model = decode(decode_json(bytes(body)))
        except TWProtocolError as error:
            check_text(error)
        else:
            CHECKS[name](model)

    @pytest.mark.parametrize("name", ["get_user", "get_me", "get_group", "create_chat"])
    def test_the_depth_of_an_unknown_field_is_bounded(self, name: str) -> None:
        document, decode = copy.deepcopy(ANSWERS[name][0]), ANSWERS[name][1]
        next(iter(document.values()))["more"] = nested(1, 51)

        with pytest.raises(TWProtocolError, match=r"^an unknown field is nested in more than 50 "):
            decode(document)

    def test_so_is_that_of_one_in_a_page(self) -> None:
        with pytest.raises(TWProtocolError, match=r"^an unknown field is nested in more than 50 "):
            Decoder().page(page_doc(chat_doc(), chat_doc(more={"x": nested(1, 50)})))

    def test_a_field_as_deep_as_any_is_kept(self) -> None:
        user = Decoder().user({"user": user_doc(more=nested(1, 50))})

        assert user.extra == {"more": nested(1, 50)}
        check_user(user)

    def test_a_cursor_that_no_url_can_have_is_refused(self) -> None:
        with pytest.raises(TWProtocolError, match=r'^"next_cursor" .* half of a surrogate pair$'):
            Decoder().page(page_doc(next_cursor="\ud800"))


class TestJson:
    @pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
    def test_what_python_alone_calls_a_number_is_none(self, name: str) -> None:
        with pytest.raises(TWProtocolError, match=r"^the answer is not JSON$"):
            decode_json(b'{"more": %s}' % name.encode())

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be", "latin-1"])
    def test_no_other_encoding_is_guessed(self, encoding: str) -> None:
        with pytest.raises(TWProtocolError, match=r"^the answer is not JSON$"):
            decode_json('{"more": "ä"}'.encode(encoding))

    def test_a_byte_order_mark_is_no_fault(self) -> None:
        assert decode_json(b"\xef\xbb\xbf[1]") == [1]

    def test_half_a_surrogate_pair_in_the_bytes_is_no_utf_8(self) -> None:
        with pytest.raises(TWProtocolError, match=r"^the answer is not JSON$"):
            decode_json('"\ud800"'.encode("utf-8", "surrogatepass"))

    @pytest.mark.parametrize(
        "digits",
        [b"9" * 641, b"9" * 1_000_000, b"-" + b"9" * 1_000_000],
        ids=lambda digits: str(len(digits)),
    )
    def test_a_number_of_too_many_digits_is_refused(self, digits: bytes) -> None:
        """Older Pythons take minutes to read it."""
        with pytest.raises(TWProtocolError, match=r"^the answer is not JSON$"):
            decode_json(digits)

    def test_a_number_that_every_python_can_show_is_one(self) -> None:
        assert decode_json(b"9" * 640) == 10**640 - 1

    def test_of_a_key_that_is_there_twice_the_last_counts(self) -> None:
        assert decode_json(b'{"a": 1, "a": 2}') == {"a": 2}

    @pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,"])
    def test_more_values_than_fit_in_memory_are_refused(self, piece: bytes) -> None:
        with pytest.raises(TWProtocolError, match=r"^the answer has more than 2,000,000 values$"):
            decode_json(b"[" + piece * 2_000_000 + b"1]")

    def test_a_group_of_100_000_members_is_not_too_large(self) -> None:
        users = tuple(user_doc(f"{number:022}") for number in range(100_000))
        body = json.dumps(group_answer(group_doc(), users=users)).encode()

        assert len(Decoder().group(decode_json(body)).members) == 100_000


BY_STATUS: dict[int, type[TWError]] = {
    **dict.fromkeys((201, 202, 204, 206, 304), TWProtocolError),
    **dict.fromkeys((301, 302, 307, 308), TWConfigError),
    **dict.fromkeys((400, 405, 409, 410, 413, 415, 418, 422, 499), TWRequestError),
    **dict.fromkeys((401, 403), TWAuthError),
    404: TWNotFoundError,
    429: TWRateLimitError,
    **dict.fromkeys((500, 502, 503, 504, 599, 600, 999), TWServerError),
}
ERROR = {
    "error": {"code": "invalid_members", "message": "no", "user_ids": ["u1"], "group_ids": ["g1"]}
}


def failed(status: int, body: bytes, headers: dict[str, str] | None = None) -> TWError:
    received = Received(status, headers or {}, (headers or {}).get("Location", ""), body)
    context = {"method": "GET", "path": "/v1/bot/me/", "status": status, "request_id": "r1"}
    answer = Answer(OPERATIONS["get_me"], received, context, str)
    with pytest.raises(TWError) as caught:
        answer.require_success()
    check_text(caught.value)
    return caught.value


def json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


class TestFailures:
    @pytest.mark.parametrize("status", BY_STATUS)
    @settings(some, max_examples=60)
    @given(
        body=st.binary(max_size=50)
        | spoilt(ERROR).map(json_bytes)
        | VALUES.map(lambda value: json_bytes({"error": value})),
        headers=st.dictionaries(
            st.sampled_from(["Retry-After", "Location", "Content-Type"]),
            st.text(st.characters(max_codepoint=255))
            | st.sampled_from(
                ["9" * 5000, "Mon, 99 Foo 99999 99:99:99", "http://[::1", "//a:99999"]
            ),
        ),
    )
    def test_a_status_gives_its_class_whatever_comes_with_it(
        self, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        error = failed(status, body, headers)

        assert isinstance(error, BY_STATUS[status])
        assert type(error) in {BY_STATUS[status], TWInvalidMembersError}
        assert error.status == status
        assert error.code is None or (type(error.code) is str and error.code.isprintable())
        assert (type(pickled(error)), str(pickled(error))) == (type(error), str(error))

    def test_a_long_message_is_cut(self) -> None:
        body = json_bytes({"error": {"message": "x" * 1_000_000}})

        assert len(str(failed(500, body))) < 400

    def test_more_than_a_mebibyte_says_nothing(self) -> None:
        body = json_bytes({"error": {"message": "x" * 2**20}})

        assert str(failed(500, body)) == "500 for GET /v1/bot/me/: no reason given"
