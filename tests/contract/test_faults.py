"""An object that is not quite the contract: it costs no other object of its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import Chat, ChatHandle, Event, Message, TWProtocolError, User
from teamwire_sync._http.contract import Decoder, decode_events
from teamwire_sync._models.chats import UNREADABLE
from tests.support.builders import (
    calendar_doc,
    chat_answer,
    chat_doc,
    event_doc,
    events_doc,
    every_event,
    file_doc,
    group_doc,
    make_chat,
    make_file,
    make_group,
    make_user,
    message_answer,
    message_doc,
    page_doc,
    preview_doc,
    user_doc,
)
from tests.support.whole_models import check_chat, check_event, check_group, check_message

if TYPE_CHECKING:
    from teamwire_sync._transport import EventPage

CHAT = ChatHandle("t1")
# No field of the contract may have this value.
ODD: Any = [["odd"]]
BEFORE, AFTER = (event_doc("message_deleted", f"c{n}", message_id="m1") for n in (1, 3))
USER_FIELDS = ("user_id", "editor_id", "user_ids", "added_admin_ids", "removed_admin_ids")
SPOILT = {
    f"{kind}: {field}": {**raw, field: ODD}
    for kind, raw in every_event().items()
    for field in raw
    if field != "cursor"
}
UNDESCRIBED = {
    f"{kind}: {field}": {**raw, field: ["gone"] if isinstance(raw[field], list) else "gone"}
    for kind, raw in every_event().items()
    for field in USER_FIELDS
    if field in raw
}


@pytest.fixture
def told() -> list[str]:
    return []


def decoded(told: list[str], *events: dict[str, Any], **fields: Any) -> EventPage:
    page = decode_events(events_doc(*events, **{"cursor": "c9", **fields}), told.append)
    for event in page.events:
        check_event(event)
    return page


class TestEvents:
    @pytest.mark.parametrize(
        "raw", [*SPOILT.values(), *UNDESCRIBED.values()], ids=[*SPOILT, *UNDESCRIBED]
    )
    def test_one_with_a_fault_is_plain_and_those_beside_it_are_whole(
        self, raw: dict[str, Any], told: list[str]
    ) -> None:
        page = decoded(told, BEFORE, {**raw, "cursor": "c2"}, AFTER)

        assert [event.cursor for event in page.events] == ["c1", "c2", "c3"]
        assert [type(event) is Event for event in page.events] == [False, True, False]
        assert len(told) == 1

    def test_it_has_what_can_be_read_of_it(self, told: list[str]) -> None:
        raw = event_doc("message_read", "c2", message_id=5, user_id="u1", editor_id="u1")
        (found,) = decoded(told, raw).events

        assert (found.type, found.chat, found.editor) == (
            "message_read",
            make_chat(),
            make_user(),
        )
        assert (found.timestamp, found.is_own) == (raw["timestamp"], False)
        assert found.extra == {"message_id": 5, "user_id": "u1"}

    def test_what_can_not_be_read_is_empty(self, told: list[str]) -> None:
        (found,) = decoded(told, {"cursor": "c2"}).events

        assert (found.type, found.chat, found.timestamp) == ("unknown", Chat("", None), 0)
        assert (found.is_own, found.editor, found.extra) == (False, None, {})

    @pytest.mark.parametrize("timestamp", [10**20, -(10**20)])
    def test_a_time_that_is_no_date_is_none(self, timestamp: int, told: list[str]) -> None:
        (found,) = decoded(told, {**AFTER, "timestamp": timestamp}).events

        assert found.timestamp == 0

    @pytest.mark.parametrize("cursor", [None, 5, "\ud800"], ids=ascii)
    def test_one_without_a_position_is_left_out(self, cursor: Any, told: list[str]) -> None:
        page = decoded(told, BEFORE, {**AFTER, "cursor": cursor}, AFTER)

        assert [event.cursor for event in page.events] == ["c1", "c3"]
        assert len(page.revisions) == 2
        assert len(told) == 1

    def test_what_is_no_object_is_left_out(self, told: list[str]) -> None:
        assert [event.cursor for event in decoded(told, 5, BEFORE).events] == ["c1"]  # type: ignore[arg-type]

    def test_a_wrong_revision_is_that_of_its_event_alone(self, told: list[str]) -> None:
        page = decoded(told, BEFORE, {**BEFORE, "cursor": "c2", "revision": -1}, AFTER)

        assert list(page.revisions) == [7, None, 7]

    def test_the_text_of_a_fault_has_no_text_and_no_person(self, told: list[str]) -> None:
        secret = message_doc(from_user_id="somebody", message=["hush"])
        decoded(told, event_doc("new_message", message=secret))
        decoded(told, event_doc("chat_joined", user_ids=["somebody"], group_ids=[]))

        assert len(told) == 2
        assert not any("somebody" in text or "hush" in text for text in told)

    def test_a_person_who_is_not_quite_described_costs_no_event(self, told: list[str]) -> None:
        raw = event_doc("message_read", message_id="m1", user_id="u1")
        (found,) = decoded(told, raw, users=[user_doc(last_name=None)]).events

        assert getattr(found, "user", None) == make_user(last_name="")

    @pytest.mark.parametrize("chats", [[], [chat_doc(title=5)], [5]], ids=["none", "title", "5"])
    def test_of_a_chat_that_is_not_described_only_the_id_is_known(
        self, chats: list[Any], told: list[str]
    ) -> None:
        page = decoded(told, BEFORE, {**AFTER, "tid": "t2"}, chats=[*chats, chat_doc("t2")])
        vague, whole = page.events

        assert (vague.chat, whole.chat) == (Chat("t1", None), make_chat("t2"))
        assert set(page.vague) == {"t1"}

    def test_a_chat_with_an_unknown_member_costs_no_message(self, told: list[str]) -> None:
        raw = event_doc("new_message", message=message_doc())
        page = decoded(told, raw, chats=[chat_doc(user_ids=["gone", "u1"])])

        assert [type(event).__name__ for event in page.events] == ["NewMessageInfo"]
        assert page.events[0].chat.users == (make_user(),)
        assert not page.vague

    @pytest.mark.parametrize("field", ["events", "cursor"])
    def test_a_page_that_is_none_is_refused(self, field: str, told: list[str]) -> None:
        with pytest.raises(TWProtocolError):
            decoded(told, BEFORE, **{field: None})

    @pytest.mark.parametrize("field", ["chats", "users", "groups"])
    def test_descriptions_that_are_missing_cost_no_event(self, field: str, told: list[str]) -> None:
        page = decoded(told, BEFORE, AFTER, **{field: None})

        assert [event.cursor for event in page.events] == ["c1", "c3"]
        assert f'"{field}" of a page of events is null, not an array' in told[0]


def listed(told: list[str], *raws: dict[str, Any], **fields: Any) -> list[Chat]:
    given = {"users": [user_doc()], "groups": [group_doc()], **fields}
    chats, revisions, _ = Decoder(told.append).page(page_doc(*raws, **given))
    assert len(revisions) in {0, len(chats)}
    for chat in chats:
        check_chat(chat)
    return chats


class TestChats:
    @pytest.mark.parametrize("field", ["user_ids", "group_ids", "admin_ids"])
    @pytest.mark.parametrize("value", ["gone", 5, None, ["x"]], ids=ascii)
    def test_who_is_not_described_is_left_out(
        self, field: str, value: Any, told: list[str]
    ) -> None:
        known = "g1" if field == "group_ids" else "u1"
        first, odd = listed(told, chat_doc(), chat_doc("t2", **{field: [value, known]}))

        assert (first, odd.tid, odd.title) == (make_chat(), "t2", "test")
        named = getattr(odd, field.replace("_ids", "s"))
        assert named == ((make_group(is_public=True),) if known == "g1" else (make_user(),))
        assert len(told) == 1

    @pytest.mark.parametrize("field", [key for key in chat_doc() if key not in {"tid", "title"}])
    @pytest.mark.parametrize("missing", [True, False])
    def test_what_can_not_be_read_has_the_value_of_a_usual_chat(
        self, field: str, missing: bool, told: list[str]
    ) -> None:
        raw = {**chat_doc("t2", mood="fine"), field: ODD}
        if missing:
            del raw[field]
        _, odd = listed(told, chat_doc(), raw)

        ids = field.endswith("_ids")
        assert odd.users == odd.admins == odd.groups == ()
        assert (odd.tid, odd.title, odd.type) == ("t2", "test", "group")
        assert (odd.allow_sending, odd.is_closed) == (True, False)
        # A list of what is no ID is a list.
        assert odd.extra == {"mood": "fine"} or (ids and not missing)

    @pytest.mark.parametrize("field", ["tid", "title"])
    def test_without_its_id_or_its_title_there_is_one_that_can_not_be_read(
        self, field: str, told: list[str]
    ) -> None:
        first, odd = listed(told, chat_doc(), {**chat_doc("t2"), field: ODD})

        assert (first, odd) == (make_chat(), Chat(UNREADABLE, None))
        assert len(told) == 1
        assert told[0].startswith(f'"{field}" of a chat is an array, not a string')

    @pytest.mark.parametrize("raw", [5, None, [], {}], ids=repr)
    def test_what_is_no_object_is_one_too(self, raw: Any, told: list[str]) -> None:
        assert listed(told, chat_doc(), raw)[1] == Chat(UNREADABLE, None)

    @pytest.mark.parametrize("field", ["tid", "title"])
    def test_the_answer_to_a_write_needs_both(self, field: str, told: list[str]) -> None:
        with pytest.raises(TWProtocolError):
            Decoder(told.append).chat(chat_answer({**chat_doc("t2"), field: ODD}))

    def test_a_wrong_revision_counts_as_none(self, told: list[str]) -> None:
        page = page_doc(chat_doc(revision=3), chat_doc("t2", revision=-1))

        assert list(Decoder(told.append).page(page)[1]) == [3, None]

    def test_people_and_groups_that_are_not_quite_described_cost_no_chat(
        self, told: list[str]
    ) -> None:
        (chat,) = listed(
            told,
            chat_doc(user_ids=["u1"], group_ids=["g1"]),
            users=[5, user_doc(organisation=5)],
            groups=[{}, group_doc(owner_id="gone", is_public=None)],
        )

        assert chat.users == (make_user(),)
        assert chat.groups == (make_group(),)

    def test_the_answer_to_a_write_is_read_likewise(self, told: list[str]) -> None:
        state = Decoder(told.append).chat(chat_answer(chat_doc(admin_ids=["gone"])))

        assert (state.chat, state.revision) == (make_chat(), 7)


def read(told: list[str], *raws: Any) -> list[Message]:
    document = {"messages": list(raws), "users": [user_doc()], "next_before": None}
    messages, _ = Decoder(told.append).messages(document, CHAT)
    for message in messages:
        check_message(message)
    return messages


class TestMessages:
    def test_an_author_who_is_not_described_has_an_id(self, told: list[str]) -> None:
        odd, whole = read(told, message_doc(from_user_id="gone"), message_doc("m2"))

        assert (odd.msg, odd.from_user) == ("hello", User("gone", "", ""))
        assert whole.from_user == make_user()
        assert len(told) == 1

    @pytest.mark.parametrize("field", [key for key in message_doc() if key != "mid"])
    def test_what_can_not_be_read_is_empty(self, field: str, told: list[str]) -> None:
        odd, whole = read(told, message_doc(**{field: ODD}), message_doc("m2"))

        assert (odd.mid, whole.mid) == ("m1", "m2")
        assert odd.msg == (None if field == "message" else "hello")
        assert odd.timestamp == (0 if field == "timestamp" else whole.timestamp)
        assert len(told) == 1

    def test_one_attachment_costs_no_other(self, told: list[str]) -> None:
        files = [file_doc(size=-1), calendar_doc(end_date=10**20), file_doc("a2"), 5]
        (message,) = read(told, message_doc(attachments=files))

        assert message.attachments == [make_file("a2", content_type="application/pdf")]

    @pytest.mark.parametrize("url", [None, "https://example.org/x"])
    def test_a_preview_that_is_none_is_none(self, url: str | None, told: list[str]) -> None:
        preview = preview_doc(url=url)
        (message,) = read(told, message_doc(link_preview=preview, is_alert=None))

        assert (message.link_preview is None) == (url is None)

    @pytest.mark.parametrize("raw", [5, {}, message_doc(mid=None)], ids=["5", "empty", "id"])
    def test_one_without_an_id_is_left_out(self, raw: Any, told: list[str]) -> None:
        assert [message.mid for message in read(told, raw, message_doc("m2"))] == ["m2"]
        assert len(told) == 1

    def test_the_answer_to_a_post_is_read_likewise(self, told: list[str]) -> None:
        answer = message_answer(message_doc(from_user_id="gone"))

        assert Decoder(told.append).message(answer, CHAT).mid == "m1"


class TestDirectory:
    def test_a_user_has_what_can_be_read(self, told: list[str]) -> None:
        raws = [user_doc("u1", last_name=5), {}, {**user_doc(), "uid": None}, user_doc("u3")]
        users, _ = Decoder(told.append).users({"users": raws, "next_cursor": None})

        assert users == [make_user("u1", last_name=""), make_user("u3")]

    def test_a_group_has_what_can_be_read(self, told: list[str]) -> None:
        raws = [group_doc(owner_id="gone"), 5, group_doc("g2", title=None)]
        document = {"groups": raws, "users": [], "next_cursor": None}
        groups, _ = Decoder(told.append).groups(document)

        for group in groups:
            check_group(group)
        assert [(group.gid, group.title, group.owner) for group in groups] == [
            ("g1", "Engines", None),
            ("g2", "", None),
        ]

    def test_one_user_or_the_bot_is_read_likewise(self, told: list[str]) -> None:
        answer = {"user": user_doc(last_name=None, is_bot=True)}

        assert Decoder(told.append).user(answer).last_name == ""
        assert type(Decoder(told.append).me(answer)).__name__ == "LoggedInUser"
        assert len(told) == 2

    def test_one_group_is_read_likewise(self, told: list[str]) -> None:
        raw = {**group_doc(), "title": None}
        group = Decoder(told.append).group(
            {"group": raw, "users": [user_doc(last_name=None)], "user_ids": ["u1"]}
        )

        assert (group.gid, group.title) == ("g1", "")

    @pytest.mark.parametrize(
        "more",
        [
            {"user_ids": ["u1", "gone"]},
            {"user_ids": None},
            {"users": None},
            {"user_ids": ["u1", 5]},
        ],
        ids=repr,
    )
    def test_a_group_whose_members_are_not_all_known_is_refused(
        self, more: dict[str, Any], told: list[str]
    ) -> None:
        """A program may remove those who are missing from somewhere else."""
        answer = {"group": group_doc(), "users": [user_doc()], "user_ids": ["u1"], **more}
        with pytest.raises(TWProtocolError):
            Decoder(told.append).group(answer)


class TestDescriptions:
    """A server may send null for an empty array, or leave the array out."""

    @pytest.mark.parametrize("field", ["users", "groups"])
    def test_that_are_missing_cost_no_chat(self, field: str, told: list[str]) -> None:
        (chat,) = listed(told, chat_doc(), **{field: None})

        assert (chat.tid, chat.title) == ("t1", "test")
        assert f'"{field}" of a page of chats is null, not an array' in told[0]

    def test_that_are_missing_cost_no_answer_to_a_write(self, told: list[str]) -> None:
        chat = Decoder(told.append).chat({"chat": chat_doc(user_ids=[], admin_ids=[])}).chat
        message = Decoder(told.append).message({"message": message_doc()}, CHAT)

        assert chat is not None
        assert (chat.tid, message.mid) == ("t1", "m1")

    def test_that_are_missing_cost_no_message_and_no_group(self, told: list[str]) -> None:
        page = {"messages": [message_doc()], "next_before": None}
        messages, _ = Decoder(told.append).messages(page, CHAT)
        groups, _ = Decoder(told.append).groups({"groups": [group_doc()], "next_cursor": None})

        assert [message.mid for message in messages] == ["m1"]
        assert [group.gid for group in groups] == ["g1"]

    def test_a_page_without_its_own_objects_is_refused(self, told: list[str]) -> None:
        """An empty list of chats would make programs create them all again."""
        for page in ({"users": None, "next_cursor": None}, {"groups": None, "next_cursor": None}):
            with pytest.raises(TWProtocolError):
                Decoder(told.append).users(page)
            with pytest.raises(TWProtocolError):
                Decoder(told.append).groups({**page, "users": []})
        with pytest.raises(TWProtocolError):
            Decoder(told.append).page(page_doc(chats=None))
