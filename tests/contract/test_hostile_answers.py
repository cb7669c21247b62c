"""Answers that hypothesis spoils: each is decoded to a whole model, or refused in one line."""

from __future__ import annotations

import copy
import json
import os
from typing import Any, Callable

import pytest

from teamwire_sync import (
    ChatHandle,
    TWProtocolError,
)
from teamwire_sync._http.contract import (
    Decoder,
    decode_done,
    decode_events,
    decode_upload,
)
from teamwire_sync._internal import strict_json
from teamwire_sync._internal.strict_json import decode_json
from tests.support.builders import (
    chat_answer,
    chat_doc,
    group_answer,
    group_doc,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)

pytest.importorskip("hypothesis", reason="the answers are spoilt by hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.spoiling import nested, some, spoilt
from tests.support.whole_models import CHECKS, check_text, check_user

CHAT = ChatHandle("t1")

FULL_CHAT = chat_doc(user_ids=["u1", "u2"], group_ids=["g1"], admin_ids=["u1"])
BESIDE = {
    "users": [user_doc("u1"), user_doc("u2", is_bot=True, mood="fine")],
    "groups": [group_doc("g1", owner_id="u2")],
}
FULL_MESSAGE = message_doc(
    alert_type="note",
    reply_to="m0",
    attachments=[
        {"type": "file", "attachment_id": "a1", "name": "x", "size": 5, "content_type": "a/b"},
        {"type": "calendar", "title": "x", "start_date": 0, "end_date": 5, "description": None,
         "location": "here"},
        {"type": "location", "name": "x", "lat": 48.1, "lon": -11, "address": None, "city": "M",
         "country": None, "postal_code": None},
        {"type": "poll", "options": [1]},
    ],
    link_preview={
        "url": "https://x.example", "title": None, "description": None, "image": None,
        "domain": "x.example",
    },
)  # fmt: skip
EVENT = {"tid": "t1", "timestamp": 1_700_000_000_000, "is_own": False, "editor_id": "u1"}
MEMBERS = {"user_ids": ["u2"], "group_ids": ["g1"]}
EVENTS = [
    {"cursor": f"c{number}", "revision": number, **EVENT, **more}
    for number, more in enumerate(
        [
            {"type": "new_message", "message": FULL_MESSAGE},
            {"type": "message_read", "message_id": "m1", "user_id": "u2"},
            {"type": "message_deleted", "message_id": "m1"},
            {"type": "chat_created", "title": None},
            {"type": "chat_joined", **MEMBERS},
            {"type": "chat_left", **MEMBERS},
            {"type": "chat_deleted", **MEMBERS},
            {"type": "chat_title_changed", "title": "new"},
            {"type": "chat_admins_changed", "added_admin_ids": ["u1"], "removed_admin_ids": []},
            {"type": "chat_allow_sending_changed", "allow_sending": True},
            {"type": "chat_is_closed_changed", "is_closed": True, "more": 1},
            {"type": "of another release"},
        ]
    )
]
# For each operation: a good answer, and how it is decoded.
ANSWERS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "get_me": ({"user": user_doc()}, lambda raw: Decoder().me(raw)),
    "get_user": ({"user": user_doc()}, lambda raw: Decoder().user(raw)),
    "get_group": (
        group_answer(group_doc(owner_id="u1"), users=(user_doc("u1"), user_doc("u2"))),
        lambda raw: Decoder().group(raw),
    ),
    "list_chats": (
        page_doc(
            *(FULL_CHAT, chat_doc("t2", colour="red")),
            **{**BESIDE, "next_cursor": "more", "gone": ["t3"], "total": 4},
        ),
        lambda raw: Decoder().changes(raw),
    ),
    "create_chat": (chat_answer(FULL_CHAT, **BESIDE), lambda raw: Decoder().chat(raw)),
    "post_message": (
        message_answer(message_doc(alert_type="note", reply_to="m0", seen=[1])),
        lambda raw: Decoder().message(raw, CHAT),
    ),
    "list_messages": (
        {
            "messages": [FULL_MESSAGE, message_doc("m2", message=None, deleted=True)],
            "users": [user_doc()],
            "next_before": "m2",
        },
        lambda raw: Decoder().messages(raw, CHAT),
    ),
    "list_users": (
        {"users": BESIDE["users"], "next_cursor": "more"},
        lambda raw: Decoder().users(raw),
    ),
    "list_groups": (
        {**BESIDE, "next_cursor": None},
        lambda raw: Decoder().groups(raw),
    ),
    "list_events": (
        {"events": EVENTS, "chats": [FULL_CHAT], **BESIDE, "cursor": "c99"},
        decode_events,
    ),
    "upload_attachment": ({"attachment_id": "a1"}, decode_upload),
    "leave_chat": ({}, decode_done),
}


def ignore(fault: str) -> None:
    check_text(TWProtocolError(fault))


# The same for a decoder that is told faults: what can be decoded is as whole.
TOLD: dict[str, Callable[[Any], Any]] = {
    "list_chats": lambda raw: Decoder(ignore).changes(raw),
    "create_chat": lambda raw: Decoder(ignore).chat(raw),
    "post_message": lambda raw: Decoder(ignore).message(raw, CHAT),
    "list_messages": lambda raw: Decoder(ignore).messages(raw, CHAT),
    "list_users": lambda raw: Decoder(ignore).users(raw),
    "list_groups": lambda raw: Decoder(ignore).groups(raw),
    "list_events": lambda raw: decode_events(raw, ignore),
}
operations = st.sampled_from(sorted(ANSWERS))
# Each time the same ones, and no more than notice what a check that is left out does.
many = settings(some, max_examples=int(os.environ.get("HOSTILE_EXAMPLES", "400")))


def check_outcome(name: str, body: bytes) -> None:
    """It is a whole model, or a refusal in one line."""
    for decode in filter(None, (ANSWERS[name][1], TOLD.get(name))):
        check_decoded(name, decode, body)


def check_decoded(name: str, decode: Callable[[Any], Any], body: bytes) -> None:
    try:
        model = decode(decode_json(body))
    except TWProtocolError as error:
        check_text(error)
    else:
        CHECKS[name](model)


class TestSuccess:
    @pytest.mark.parametrize("name", ANSWERS)
    def test_a_good_answer_is_a_whole_model(self, name: str) -> None:
        document, decode = ANSWERS[name]

        CHECKS[name](decode(document))

    @many
    @given(name=operations, data=st.data())
    def test_a_spoilt_answer_is_a_whole_model_or_refused(
        self, name: str, data: st.DataObject
    ) -> None:
        body = json.dumps(data.draw(spoilt(ANSWERS[name][0]))).encode()

        check_outcome(name, body)

    @many
    @given(name=operations, data=st.data())
    def test_so_is_one_whose_bytes_are_spoilt(self, name: str, data: st.DataObject) -> None:
        body = bytearray(json.dumps(ANSWERS[name][0]).encode())
        for _ in range(data.draw(st.integers(1, 3))):
            start = data.draw(st.integers(0, len(body)))
            end = start + data.draw(st.integers(0, 8))
            body[start:end] = data.draw(
                st.binary(max_size=4)
                | st.sampled_from(
                    [b"NaN", b"9" * 5000, b"\xed\xa0\x80", b'"uid": "u1",', b"[" * 999]
                )
            )

        check_outcome(name, bytes(body))

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

    @pytest.mark.parametrize(
        "kind", ["\x1b[31m", "x" * 10_000, "\ud800"], ids=["control", "long", "half"]
    )
    @pytest.mark.parametrize(
        "spoilt",
        [{"tid": "t2"}, {"editor_id": "u9"}, {"timestamp": 10**20}, {"cursor": "\ud800"}],
        ids=["tid", "editor", "timestamp", "cursor"],
    )
    def test_an_event_that_is_refused_does_not_speak_in_the_error(
        self, kind: str, spoilt: dict[str, Any]
    ) -> None:
        document, decode = ANSWERS["list_events"]
        event = {"cursor": "c1", **EVENT, "type": kind, **spoilt}
        with pytest.raises(TWProtocolError) as caught:
            decode({**document, "events": [event]})

        check_text(caught.value)

    @pytest.mark.parametrize(
        ("number", "spoilt"),
        [
            (0, {"size": -1}),
            (0, {"size": 1.5}),
            (0, {"size": True}),
            (0, {"attachment_id": None}),
            (1, {"start_date": 10**20}),
            (1, {"end_date": -(10**20)}),
            (2, {"lat": 90.1}),
            (2, {"lat": 1e400}),
            (2, {"lon": -181}),
            (2, {"lon": "11"}),
            (3, {"type": None}),
            (3, {"more": nested(1, 51)}),
        ],
        ids=str,
    )
    def test_an_attachment_that_is_none_is_refused(
        self, number: int, spoilt: dict[str, Any]
    ) -> None:
        attachment = {**FULL_MESSAGE["attachments"][number], **spoilt}
        with pytest.raises(TWProtocolError) as caught:
            Decoder().message(message_answer(message_doc(attachments=[attachment])), CHAT)

        check_text(caught.value)

    @pytest.mark.parametrize("preview", [{}, {"url": "x"}, [], "x", 0, False], ids=str)
    def test_a_link_preview_that_is_none_is_refused(self, preview: Any) -> None:
        with pytest.raises(TWProtocolError):
            Decoder().message(message_answer(message_doc(link_preview=preview)), CHAT)


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
        [b"9" * 4301, b"9" * 1_000_000, b"-" + b"9" * 1_000_000],
        ids=lambda digits: str(len(digits)),
    )
    @pytest.mark.parametrize("has_limit", [False, True])
    def test_a_number_of_too_many_digits_is_refused(
        self, digits: bytes, has_limit: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without its limit on digits, Python takes minutes to read such a number."""
        if not has_limit:
            monkeypatch.setattr(strict_json, "_limit_of_digits", lambda: 0)
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
