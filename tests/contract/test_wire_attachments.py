"""What is attached to a message: from JSON, and back when it is posted again."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from teamwire_sync import (
    Attachments,
    AttachmentType,
    CalendarAttachment,
    ChatHandle,
    FileAttachment,
    LinkPreview,
    LocationAttachment,
    OtherAttachment,
    TWProtocolError,
)
from teamwire_sync._http.contract import Decoder, encode_edit, encode_message
from teamwire_sync._internal.strict_json import decode_json
from teamwire_sync._transport import MemberEdit, MessageDraft
from tests.support.builders import (
    calendar_doc,
    file_doc,
    location_doc,
    make_file,
    message_answer,
    message_doc,
    preview_doc,
)

CHAT = ChatHandle("t1")
START = datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
FILES = ["file", "gallery", "sound", "video"]


def decoded(*raws: Any, **fields: Any) -> Any:
    """The message that has these attachments."""
    return Decoder().message(message_answer(message_doc(attachments=list(raws), **fields)), CHAT)


def one(raw: Any) -> Any:
    (attachment,) = decoded(raw).attachments
    return attachment


def encoded(*attachments: Any) -> Any:
    return encode_message(MessageDraft(attachments=attachments))["attachments"]


class TestDecoding:
    def test_a_message_without_any_has_none(self) -> None:
        assert decoded().attachments is None

    def test_they_come_in_their_order(self) -> None:
        message = decoded(file_doc("a1"), location_doc(), file_doc("a2"))

        assert [each.type for each in message.attachments] == ["file", "location", "file"]
        assert [message.attachments[number].aid for number in (0, 2)] == ["a1", "a2"]

    @pytest.mark.parametrize("kind", FILES)
    def test_a_file_of_each_kind(self, kind: str) -> None:
        given = file_doc("a9", type=kind, name="x.png", size=2**40, content_type="image/png")

        assert one(given) == FileAttachment(AttachmentType(kind), "a9", "x.png", 2**40, "image/png")

    def test_an_empty_file(self) -> None:
        assert one(file_doc(size=0)).size == 0

    def test_no_file_has_less_than_nothing(self) -> None:
        with pytest.raises(TWProtocolError, match=r'^"size" of a file is below zero$'):
            one(file_doc(size=-1))

    def test_a_calendar_entry(self) -> None:
        given = calendar_doc(description="bring cake", location="room 5")

        assert one(given) == CalendarAttachment(
            "Meeting", START, START + timedelta(hours=1), "bring cake", "room 5"
        )

    def test_the_dates_of_a_calendar_entry_are_aware(self) -> None:
        entry = one(calendar_doc())

        assert entry.startDate.utcoffset() == entry.endDate.utcoffset() == timedelta(0)

    def test_a_location(self) -> None:
        given = location_doc(
            lat=-90, lon=180.0, address="Main St 1", city="X", country="DE", postal_code="80331"
        )

        assert one(given) == LocationAttachment(
            "Office", -90, 180.0, "Main St 1", "X", "DE", "80331"
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [("lat", 90.1), ("lat", -91), ("lon", 180.5), ("lon", -181), ("lat", 10**400)],
        ids=["lat+", "lat-", "lon+", "lon-", "huge"],
    )
    def test_a_place_that_is_not_on_earth(self, field: str, value: float) -> None:
        with pytest.raises(TWProtocolError, match=rf'^"{field}" of a location is out of range$'):
            one(location_doc(**{field: value}))

    def test_a_place_that_json_calls_infinite_is_not_on_earth(self) -> None:
        text = json.dumps(location_doc(lat=0)).replace('"lat": 0', '"lat": 1e999')

        with pytest.raises(TWProtocolError, match=r'^"lat" of a location is out of range$'):
            one(decode_json(text.encode()))

    @pytest.mark.parametrize("kind", ["poll", "live_location", "brand_new"])
    def test_one_of_another_kind_is_passed_on(self, kind: str) -> None:
        other = one({"type": kind, "question": "when?", "answers": ["now", "later"]})

        assert type(other) is OtherAttachment
        assert other.type == kind
        assert other.extra == {"question": "when?", "answers": ["now", "later"]}

    @pytest.mark.parametrize("given", [file_doc(), calendar_doc(), location_doc()])
    def test_fields_that_are_not_known_are_kept_aside(self, given: dict[str, Any]) -> None:
        assert one({**given, "colour": "red"}).extra == {"colour": "red"}

    def test_a_deleted_message_has_none(self) -> None:
        message = decoded(message=None, deleted=True)

        assert (message.msg, message.attachments, message.link_preview) == (None, None, None)


class TestLinkPreview:
    def test_every_field_arrives(self) -> None:
        given = preview_doc(title="T", description="D", image="https://example.org/i.png")

        assert decoded(link_preview=given).link_preview == LinkPreview(
            "https://example.org/x", "T", "D", "https://example.org/i.png", "example.org"
        )

    def test_fields_that_are_not_known_are_kept_aside(self) -> None:
        assert decoded(link_preview=preview_doc(size=3)).link_preview.extra == {"size": 3}


ENTRIES = {
    **{kind: file_doc(type=kind) for kind in FILES},
    "calendar": calendar_doc(description="x"),
    "calendar, first and last": calendar_doc(
        start_date=-62_135_596_800_000, end_date=253_402_300_799_999
    ),
    "calendar, milliseconds": calendar_doc(
        start_date=1_700_000_000_123, end_date=4_102_444_800_999
    ),
    "location": location_doc(city="Munich", postal_code="80331"),
    "other": {"type": "poll", "question": "when?"},
}


class TestEncoding:
    @pytest.mark.parametrize("kind", FILES)
    def test_a_file_is_its_kind_and_its_id(self, kind: str) -> None:
        assert encoded(make_file("a7", type=AttachmentType(kind))) == [
            {"type": kind, "attachment_id": "a7"}
        ]

    def test_a_calendar_entry(self) -> None:
        cest = timezone(timedelta(hours=2))
        start = datetime(2023, 11, 15, 0, 13, 20, tzinfo=cest)
        (entry,) = Attachments().add_calendar("Meeting", start, start, location="room 5")

        assert encoded(entry) == [
            calendar_doc(end_date=1_700_000_000_000, location="room 5"),
        ]

    def test_a_location(self) -> None:
        (place,) = Attachments().add_location("Office", 48.1, 11.5, country="DE")

        assert encoded(place) == [location_doc(country="DE")]

    @pytest.mark.parametrize("name", ENTRIES)
    def test_what_came_can_be_posted_again(self, name: str) -> None:
        raw = ENTRIES[name]
        (again,) = encoded(one(raw))

        assert again == {key: value for key, value in raw.items() if key in again}
        assert set(again) == set(raw) - (
            {"name", "size", "content_type"} if raw["type"] in FILES else set()
        )

    def test_its_type_is_a_plain_text_in_json(self) -> None:
        assert json.loads(json.dumps(encoded(make_file())))[0]["type"] == "file"

    def test_what_a_message_does_not_say(self) -> None:
        assert encode_message(MessageDraft()) == {
            "message": None,
            "attachments": [],
            "is_alert": False,
            "alert_type": None,
            "reply_to": None,
            "sender_display_name": None,
        }


class TestEdit:
    def test_what_is_empty_is_left_out(self) -> None:
        assert encode_edit(MemberEdit()) == {}

    @pytest.mark.parametrize("how", ["add", "remove"])
    @pytest.mark.parametrize(("whom", "ids"), [("users", "user_ids"), ("groups", "group_ids")])
    def test_each_list_has_its_name(self, how: str, whom: str, ids: str) -> None:
        edit = MemberEdit(**{f"{how}_{whom}": ("1", "2")})

        assert encode_edit(edit) == {f"{how}_{ids}": ["1", "2"]}
