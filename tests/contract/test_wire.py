"""The contract: paths, and JSON to models and back."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import Any

import pytest

from teamwire_sync import (
    AlertType,
    Bot,
    ChatHandle,
    LoggedInUser,
    TWClosedError,
    TWProtocolError,
    User,
)
from teamwire_sync._http.contract import (
    OPERATIONS,
    Decoder,
    ErrorDetails,
    Operation,
    decode_chat,
    decode_error,
    decode_json,
    encode_draft,
    encode_message,
)
from teamwire_sync._internal.validation import as_unicode
from teamwire_sync._transport import ChatDraft, MessageDraft
from tests.support.builders import (
    chat_answer,
    chat_doc,
    group_answer,
    group_doc,
    make_group,
    make_user,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)

CHAT = ChatHandle("t1")
NOTHING_SAID = ErrorDetails(None, None, (), ())


def a_message(document: Any) -> Any:
    return Decoder().message(document, CHAT)


class TestPaths:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_all_but_get_write(self, method: str) -> None:
        assert Operation(method, "/").writes
        assert not Operation("GET", "/").writes

    @pytest.mark.parametrize(
        ("tid", "quoted"),
        [
            ("7MQKchz6wsSzmWTVnppGAc", "7MQKchz6wsSzmWTVnppGAc"),
            ("a/b", "a%2Fb"),
            ("../x", "..%2Fx"),
            ("...", "..."),
            ("%2e%2e", "%252e%252e"),
            ("a b?c#d", "a%20b%3Fc%23d"),
            ("ä", "%C3%A4"),
            ("\N{GRINNING FACE}", "%F0%9F%98%80"),
            ("{uid}", "%7Buid%7D"),
            ("\r\n", "%0D%0A"),
        ],
        ids=ascii,
    )
    def test_ids_are_quoted(self, tid: str, quoted: str) -> None:
        path = OPERATIONS["post_message"].path_for(tid=tid)

        assert path == f"/v1/bot/chats/{quoted}/messages/"

    @pytest.mark.parametrize("uid", ["", ".", "..", "\ud800", "a\udc80"], ids=ascii)
    def test_what_cannot_stand_in_a_path_is_refused(self, uid: str) -> None:
        with pytest.raises(ValueError, match=r"is not a valid uid$") as caught:
            OPERATIONS["get_user"].path_for(uid=uid)
        assert str(caught.value).isascii()


class TestEncoding:
    def test_a_draft(self) -> None:
        draft = ChatDraft(
            title="hello",
            user_ids=("u1", "u2"),
            group_ids=("g1",),
            message="first",
            allow_sending=False,
            allow_mute_notifications=False,
            is_alert=True,
        )

        assert encode_draft(draft) == {
            "title": "hello",
            "user_ids": ["u1", "u2"],
            "group_ids": ["g1"],
            "message": "first",
            "allow_sending": False,
            "allow_mute_notifications": False,
            "is_alert": True,
        }

    def test_what_a_draft_does_not_say(self) -> None:
        assert encode_draft(ChatDraft()) == {
            "title": None,
            "user_ids": [],
            "group_ids": [],
            "message": None,
            "allow_sending": True,
            "allow_mute_notifications": True,
            "is_alert": False,
        }

    def test_an_empty_first_message_is_none(self) -> None:
        assert encode_draft(ChatDraft(message=""))["message"] is None

    def test_a_message(self) -> None:
        assert encode_message(MessageDraft("hällo"))["message"] == "hällo"


class TestJson:
    def test_is_decoded(self) -> None:
        assert decode_json(b'{"a": ["\\u00e4"]}') == {"a": ["ä"]}

    @pytest.mark.parametrize(
        ("text", "decoded"),
        [
            (r"\ud83d", "\ufffd"),
            (r"\uDE00", "\ufffd"),
            (r"a\uD83Db", "a\ufffdb"),
            (r"\ud83d\ud83d\ude00", "\ufffd😀"),
            (r"\ude00\ud83d", "\ufffd\ufffd"),
            (r"\ud83d\u00e4", "\ufffdä"),
            (r"\ud83d\n\ude00", "\ufffd\n\ufffd"),
            (r"\ud83d\uDE00", "😀"),
            (r"\\ud83d", r"\ud83d"),
            (r"\\\ud83d", "\\\ufffd"),
            (r"\\ud83d\ude00", "\\ud83d\ufffd"),
            (r"\"cursor\": \"\ud83d", '"cursor": "\ufffd'),
        ],
    )
    def test_half_of_a_surrogate_pair_is_a_replacement_character(
        self, text: str, decoded: str
    ) -> None:
        for document in ([decoded], {"a": decoded}, {decoded: 1}):
            body = json.dumps(document).replace(json.dumps(decoded), f'"{text}"')

            assert decode_json(body.encode()) == document

    def test_random_texts_are_made_printable(self) -> None:
        pieces = ["\\", "\ud83d", "\ude00", "u", "ud83d", '"', "\n", "é", "😀", "cursor"]
        rng = random.Random(20)  # noqa: S311  reproducible
        for _ in range(2_000):
            texts = ["".join(rng.choices(pieces, k=6)) for _ in range(2)]

            assert decode_json(json.dumps(texts).encode()) == list(map(as_unicode, texts))

    @pytest.mark.parametrize("name", ["cursor", "next_cursor", "next_before"])
    def test_a_cursor_stays_as_it_is(self, name: str) -> None:
        """It is refused later: another cursor would mean another place."""
        document = {"title": "\ud800", name: 'a\\"\ud800', "more": {name: "\ud800"}}
        body = json.dumps(document, separators=(" ,", " : ")).encode()

        assert decode_json(body) == {**document, "title": "\ufffd"}

    def test_a_long_text_with_half_of_a_pair_takes_no_more_memory_than_others(self) -> None:
        """A pattern that repeats a group keeps each repetition."""
        body = b'{"cursor": "' + b"x" * 2**20 + b'\\ud800"}'
        tracemalloc.start()
        try:
            decode_json(body)
            assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
        finally:
            tracemalloc.stop()

    def test_an_empty_body_is_called_so(self) -> None:
        with pytest.raises(TWProtocolError, match=r"^the answer is empty$"):
            decode_json(b"")

    @pytest.mark.parametrize(
        "body",
        [
            b"<html>",
            b"{",
            b"{} x",
            b"\xff\xfe\xfd",
            b'{"a": "\xe4"}',
            b"\0",
            b" ",
            b'{"user":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
            b'{"a":' * 200_000,
        ],
        ids=["html", "cut", "tail", "bytes", "latin-1", "nul", "blank", "deep", "deep objects"],
    )
    def test_what_is_none(self, body: bytes) -> None:
        with pytest.raises(TWProtocolError, match=r"^the answer is not JSON$") as caught:
            decode_json(body)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b'{"error": {"code": "x", "message": "y"}}', ErrorDetails("x!", "y!", (), ())),
            (
                b'{"error": {"code": 5, "user_ids": ["u1", 5], "group_ids": ["g1"]}}',
                ErrorDetails(None, None, ("u1!",), ("g1!",)),
            ),
            (b'{"error": {"message": null, "user_ids": "u1", "group_ids": {}}}', NOTHING_SAID),
            (b"<html>Bad Gateway</html>", NOTHING_SAID),
            (b"", NOTHING_SAID),
            (b"null", NOTHING_SAID),
            (b"5", NOTHING_SAID),
            (b'"error"', ErrorDetails(None, "error!", (), ())),
            (b"[]", NOTHING_SAID),
            (b"{}", NOTHING_SAID),
            (b'{"error": "x"}', ErrorDetails(None, "x!", (), ())),
            (b'{"error": null}', NOTHING_SAID),
        ],
        ids=lambda value: value.decode() if isinstance(value, bytes) else "",
    )
    def test_an_error_answer_of_any_shape(self, body: bytes, said: ErrorDetails) -> None:
        assert decode_error(body, "{}!".format) == said


class TestUser:
    def test_every_field_arrives(self) -> None:
        document = {"user": user_doc("u9", first_name="A", last_name="B", organisation="C")}

        assert Decoder().user(document) == User("u9", "A", "B", "C", is_bot=False)

    def test_a_bot_is_a_bot(self) -> None:
        user = Decoder().user({"user": user_doc(is_bot=True)})

        assert type(user) is Bot
        assert user.is_bot

    def test_me_is_the_logged_in_user(self) -> None:
        assert type(Decoder().me({"user": user_doc(is_bot=True)})) is LoggedInUser

    def test_unknown_fields_are_kept_aside(self) -> None:
        assert Decoder().user({"user": user_doc(mood={"now": 1})}).extra == {"mood": {"now": 1}}

    def test_unknown_fields_of_the_answer_are_no_fault(self) -> None:
        assert Decoder().user({"user": user_doc(), "more": 1}) == make_user()


class TestGroup:
    def test_every_field_arrives(self) -> None:
        owner = user_doc("u9")
        raw = group_doc("g9", title="T", owner_id="u9", is_circle=False, is_list=True)
        group = Decoder().group(group_answer({**raw, "is_public": False}, users=(owner,)))

        assert group == make_group(
            "g9", title="T", owner=make_user("u9"), is_circle=False, is_list=True, is_public=False
        )

    def test_its_members_come_with_it(self) -> None:
        group = Decoder().group(group_answer(group_doc(), users=(user_doc("a"), user_doc("b"))))

        assert group.members == [make_user("a"), make_user("b")]

    def test_the_owner_need_not_be_a_member(self) -> None:
        answer = group_answer(group_doc(owner_id="u9"))
        answer["users"] = [user_doc("u9")]

        assert Decoder().group(answer).members == []

    def test_unknown_fields_are_kept_aside(self) -> None:
        assert Decoder().group(group_answer(group_doc(icon="x"))).extra == {"icon": "x"}


class TestChat:
    def test_every_field_arrives(self) -> None:
        chat = decode_chat(
            chat_answer(
                chat_doc(
                    "t9",
                    title=None,
                    type="one_to_one",
                    user_ids=["u1", "u2"],
                    group_ids=["g1"],
                    admin_ids=["u2"],
                    is_alert=True,
                    allow_sending=False,
                    allow_mute_notifications=False,
                    is_closed=True,
                ),
                users=[user_doc("u2"), user_doc("u1")],
                groups=[group_doc(owner_id="u1")],
            )
        )

        assert (chat.tid, chat.title, chat.type) == ("t9", None, "one_to_one")
        assert chat.users == (make_user("u1"), make_user("u2"))
        assert chat.groups == (make_group(owner=make_user("u1"), is_public=True),)
        assert chat.admins == (make_user("u2"),)
        assert (chat.is_alert, chat.is_closed) == (True, True)
        assert (chat.allow_sending, chat.allow_mute_notifications) == (False, False)

    @pytest.mark.parametrize(
        "name", ["is_alert", "allow_sending", "allow_mute_notifications", "is_closed"]
    )
    @pytest.mark.parametrize("value", [True, False])
    def test_each_flag_arrives_by_itself(self, name: str, value: bool) -> None:
        others = dict.fromkeys(
            ["is_alert", "allow_sending", "allow_mute_notifications", "is_closed"], not value
        )
        chat = decode_chat(chat_answer(chat_doc(**{**others, name: value})))

        assert [getattr(chat, flag) for flag in others] == [
            value if flag == name else not value for flag in others
        ]

    def test_its_groups_do_not_know_their_members(self) -> None:
        chat = decode_chat(chat_answer(chat_doc(group_ids=["g1"]), groups=[group_doc()]))

        with pytest.raises(TWClosedError):
            chat.groups[0].get_members()

    def test_a_type_that_is_not_known_survives(self) -> None:
        assert decode_chat(chat_answer(chat_doc(type="broadcast"))).type.value == "broadcast"

    def test_unknown_fields_are_kept_aside(self) -> None:
        chat = decode_chat(chat_answer(chat_doc(colour="red", pinned=None)))

        assert chat.extra == {"colour": "red", "pinned": None}

    def test_a_group_is_no_user(self) -> None:
        with pytest.raises(TWProtocolError, match="names a user"):
            decode_chat(chat_answer(chat_doc(user_ids=["g1"]), groups=[group_doc("g1")]))


class TestPage:
    def test_has_its_chats_in_order_and_the_next_cursor(self) -> None:
        page = page_doc(chat_doc("b"), chat_doc("a"), next_cursor="more")
        chats, _, cursor = Decoder().page(page)

        assert ([chat.tid for chat in chats], cursor) == (["b", "a"], "more")

    def test_the_last_has_no_cursor(self) -> None:
        assert Decoder().page(page_doc()) == ([], [], None)

    def test_a_user_in_many_chats_is_one_object(self) -> None:
        one, other = (chat_doc(tid, user_ids=["u1"], admin_ids=["u1"]) for tid in ("a", "b"))
        chats, _, _ = Decoder().page(page_doc(one, other, users=[user_doc()]))

        assert chats[0].users[0] is chats[1].users[0] is chats[1].admins[0]

    @pytest.mark.parametrize("field", ["user_ids", "group_ids"])
    def test_the_same_on_many_pages_is_one_object(self, field: str) -> None:
        decoder = Decoder()
        pages = [
            page_doc(
                chat_doc(tid, **{field: ["1"]}), users=[user_doc("1")], groups=[group_doc("1")]
            )
            for tid in ("a", "b")
        ]
        (one,), (other,) = (decoder.page(page)[0] for page in pages)

        assert (*one.users, *one.groups)[0] is (*other.users, *other.groups)[0]

    def test_the_first_page_that_describes_a_user_counts(self) -> None:
        decoder = Decoder()
        chats = []
        for name in ("Old", "New"):
            users = [user_doc(first_name=name)]
            chats += decoder.page(page_doc(chat_doc(user_ids=["u1"]), users=users))[0]

        assert [chat.users[0].first_name for chat in chats] == ["Old", "Old"]

    def test_the_first_of_two_descriptions_on_a_page_counts(self) -> None:
        users = [user_doc(first_name="Old"), user_doc(first_name="New")]
        page = page_doc(chat_doc(user_ids=["u1"], admin_ids=["u1"]), users=users)
        (chat,), _, _ = Decoder().page(page)

        assert (chat.users[0].first_name, chat.admins[0].first_name) == ("Old", "Old")

    def test_a_new_user_half_way_down_a_page_costs_no_chat_and_no_order(self) -> None:
        decoder = Decoder()
        decoder.page(page_doc(chat_doc("a", user_ids=["u1"]), users=[user_doc("u1")]))
        chats = [chat_doc(tid, user_ids=[uid]) for tid, uid in zip("bcd", ("u1", "u2", "u1"))]
        page = page_doc(*chats, users=[user_doc("u1"), user_doc("u2")])

        decoded = decoder.page(page)[0]

        assert [(chat.tid, chat.users[0].uid) for chat in decoded] == [
            ("b", "u1"), ("c", "u2"), ("d", "u1"),
        ]  # fmt: skip


class TestMessage:
    def test_what_more_the_answer_has_is_no_fault(self) -> None:
        assert a_message({**message_answer(message_doc()), "groups": None}).mid == "m1"

    def test_every_field_arrives(self) -> None:
        message = a_message(
            message_answer(
                message_doc(
                    "m9",
                    timestamp=1,
                    message=None,
                    is_alert=True,
                    alert_type="note",
                    reply_to="m8",
                    sender_display_name="Somebody",
                    deleted=True,
                )
            )
        )

        assert message.chat is CHAT
        assert (message.mid, message.timestamp, message.msg) == ("m9", 1, None)
        assert message.from_user == make_user()
        assert (message.is_alert, message.alert_type) == (True, AlertType.NOTE)
        assert (message.reply_to, message.sender_display_name) == ("m8", "Somebody")
        assert message.deleted is True

    def test_without_an_alert(self) -> None:
        assert a_message(message_answer(message_doc())).alert_type is None

    def test_an_alert_that_is_not_known_survives(self) -> None:
        assert a_message(message_answer(message_doc(alert_type="siren"))).alert_type == "siren"

    def test_unknown_fields_are_kept_aside(self) -> None:
        assert a_message(message_answer(message_doc(seen=3))).extra == {"seen": 3}

    @pytest.mark.parametrize("timestamp", [253_402_300_799_999, -62_135_596_800_000, 0])
    def test_the_first_and_the_last_date(self, timestamp: int) -> None:
        message = a_message(message_answer(message_doc(timestamp=timestamp)))

        assert message.tstamp_date.year in {1, 1970, 9999}

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1.0"])
    def test_a_time_that_is_no_whole_number(self, number: str) -> None:
        text = json.dumps(message_answer(message_doc(timestamp=0))).replace(
            '"timestamp": 0', f'"timestamp": {number}'
        )

        with pytest.raises(TWProtocolError, match=r"timestamp.* not a whole number|not JSON"):
            a_message(decode_json(text.encode()))
