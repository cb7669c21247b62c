"""Lists as data frames."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from teamwire_sync import (
    AlertType,
    AttachmentList,
    AttachmentType,
    ChatHandle,
    ChatList,
    ChatType,
    EventList,
    GroupList,
    GroupTuple,
    MessageList,
    OtherAttachment,
    UserList,
    UserTuple,
)
from tests.support.builders import (
    make_chat,
    make_event,
    make_file,
    make_group,
    make_message,
    make_user,
)
from tests.support.pages import DOCS

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = [
    AttachmentList(),
    ChatList(),
    EventList(),
    GroupList(),
    GroupTuple(),
    MessageList(),
    UserList(),
    UserTuple(),
]
FULL = [
    ChatList([make_chat("t1", users=(make_user(),)), make_chat("t2", None)]),
    MessageList([make_message(), make_message(msg=None)]),
    UserList([make_user(), make_user(organisation="Engines")]),
    UserTuple([make_user()]),
    GroupList([make_group(owner=make_user()), make_group()]),
    GroupTuple([make_group()]),
    AttachmentList([make_file(), OtherAttachment(AttachmentType.POLL)]),
    EventList([make_event("chat_created"), make_event("chat_joined", editor=make_user())]),
]
_USERS = {
    "uid": "string",
    "first_name": "string",
    "last_name": "string",
    "organisation": "string",
    "is_bot": "bool",
}
_GROUPS = {
    "gid": "string",
    "title": "string",
    "is_circle": "bool",
    "is_list": "bool",
    "is_public": "bool",
    "owner_id": "string",
}
COLUMNS: dict[type, dict[str, str]] = {
    UserList: _USERS,
    UserTuple: _USERS,
    GroupList: _GROUPS,
    GroupTuple: _GROUPS,
    AttachmentList: {
        "type": "string",
        "name": "string",
        "aid": "string",
        "size": "Int64",
        "content_type": "string",
    },
    EventList: {
        "cursor": "string",
        "type": "string",
        "tid": "string",
        "title": "string",
        "display_name": "string",
        "date": "datetime64[ms, UTC]",
        "is_own": "bool",
        "editor_id": "string",
    },
    ChatList: {
        "tid": "string",
        "title": "string",
        "display_name": "string",
        "type": "string",
        "users": "int64",
        "groups": "int64",
        "admins": "int64",
        "is_alert": "bool",
        "allow_sending": "bool",
        "allow_mute_notifications": "bool",
        "is_closed": "bool",
    },
    MessageList: {
        "mid": "string",
        "tid": "string",
        "from_uid": "string",
        "from_name": "string",
        "date": "datetime64[ms, UTC]",
        "msg": "string",
        "is_alert": "bool",
        "alert_type": "string",
        "reply_to": "string",
        "sender_display_name": "string",
        "deleted": "bool",
        "attachments": "int64",
    },
}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "values", [*EMPTY, *FULL], ids=lambda values: f"{type(values).__name__} {len(values)}"
)
class TestEach:
    def test_the_columns_have_their_types(self, values: Any) -> None:
        types = {name: str(dtype) for name, dtype in values.to_pandas().dtypes.items()}

        assert types == COLUMNS[type(values)]

    def test_there_is_a_row_for_each(self, values: Any) -> None:
        assert list(values.to_pandas().index) == list(range(len(values)))


@pytest.mark.parametrize("kind", COLUMNS)
def test_the_page_lists_the_columns(kind: type) -> None:
    page = (DOCS / "notebooks.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| .*`{kind.__name__}`.* \| (.*) \|$", page, re.MULTILINE)

    assert re.findall(r"`(\w+)`", row) == list(COLUMNS[kind])


def row_of(values: Any) -> dict[str, Any]:
    """The one row of a list of one."""
    (row,) = values.to_pandas().to_dict("records")
    return dict(row)


class TestChats:
    def test_a_row_has_what_the_chat_has(self) -> None:
        chat = make_chat(
            users=(make_user(), make_user("u2")),
            groups=(make_group(),) * 3,
            admins=(make_user(),),
            type=ChatType.ONE_TO_ONE,
            is_alert=True,
            allow_sending=False,
            is_closed=True,
        )

        assert row_of(ChatList([chat])) == {
            "tid": "t1",
            "title": "test",
            "display_name": "test",
            "type": "one_to_one",
            "users": 2,
            "groups": 3,
            "admins": 1,
            "is_alert": True,
            "allow_sending": False,
            "allow_mute_notifications": True,
            "is_closed": True,
        }

    def test_a_one_to_one_chat_has_the_name_of_the_person(self) -> None:
        chat = make_chat(title=None, type=ChatType.ONE_TO_ONE, users=(make_user(),))

        assert row_of(ChatList([chat]))["display_name"] == "Ada Lovelace"

    def test_no_title_is_missing(self) -> None:
        frame = ChatList([make_chat(title=None), make_chat(title=""), make_chat()]).to_pandas()

        assert list(frame["title"].isna()) == [True, False, False]

    def test_titles_that_are_all_missing_are_texts_still(self) -> None:
        frame = ChatList([make_chat(title=None)]).to_pandas()

        assert str(frame["title"].dtype) == "string"
        assert list(frame["title"].str.len().isna()) == [True]

    def test_a_type_that_is_not_known_survives(self) -> None:
        assert row_of(ChatList([make_chat(type=ChatType("channel"))]))["type"] == "channel"

    def test_the_order_is_that_of_the_list(self) -> None:
        frame = ChatList([make_chat("t2"), make_chat("t1"), make_chat("t3")]).to_pandas()

        assert list(frame["tid"]) == ["t2", "t1", "t3"]

    def test_a_slice_has_a_frame_too(self) -> None:
        assert len(ChatList([make_chat()] * 5)[:2].to_pandas()) == 2


class TestMessages:
    def test_a_row_has_what_the_message_has(self) -> None:
        message = make_message(
            is_alert=True,
            alert_type=AlertType.NOTE,
            reply_to="m0",
            sender_display_name="Ward 3",
            deleted=True,
            attachments=(make_file(),) * 2,
        )

        assert row_of(MessageList([message])) == {
            "mid": "m1",
            "tid": "t1",
            "from_uid": "u1",
            "from_name": "Ada Lovelace",
            "date": pd.Timestamp("2023-11-14T22:13:20Z"),
            "msg": "hello",
            "is_alert": True,
            "alert_type": "note",
            "reply_to": "m0",
            "sender_display_name": "Ward 3",
            "deleted": True,
            "attachments": 2,
        }

    def test_what_there_is_not_is_missing(self) -> None:
        frame = MessageList([make_message(msg=None)]).to_pandas()
        missing = {name for name in frame if frame[name][0] is pd.NA}

        assert missing == {"msg", "alert_type", "reply_to", "sender_display_name"}

    def test_through_a_handle_they_have_their_chat(self) -> None:
        assert row_of(MessageList([make_message(chat=ChatHandle("t9"))]))["tid"] == "t9"

    @pytest.mark.parametrize(
        "timestamp", [-1, 0, 1_700_000_000_123, 253_402_300_799_999, -62_135_596_800_000]
    )
    def test_every_date_is_exact(self, timestamp: int) -> None:
        """Also those that are beyond the years of nanoseconds."""
        frame = MessageList([make_message(timestamp=timestamp)]).to_pandas()

        assert frame["date"][0].to_pydatetime() == EPOCH + timedelta(milliseconds=timestamp)

    def test_dates_can_be_moved_to_another_zone(self) -> None:
        dates = MessageList([make_message()]).to_pandas()["date"].dt.tz_convert("Asia/Tokyo")

        assert (dates.dt.day[0], dates.dt.hour[0]) == (15, 7)


class TestOthers:
    """The data frames of events, attachments, users and groups."""

    def test_an_event_has_its_chat_and_who_did_it(self) -> None:
        event = make_event("chat_left", "c7", editor=make_user(), is_own=True)

        assert row_of(EventList([event])) == {
            "cursor": "c7",
            "type": "chat_left",
            "tid": "t1",
            "title": "test",
            "display_name": "test",
            "date": pd.Timestamp("2023-11-14T22:13:20Z"),
            "is_own": True,
            "editor_id": "u1",
        }

    def test_an_attachment_that_is_no_file_has_no_size(self) -> None:
        frame = AttachmentList([OtherAttachment(AttachmentType.POLL), make_file()]).to_pandas()

        assert list(frame["size"].isna()) == [True, False]
        assert frame["size"].sum() == 3

    def test_a_group_has_the_id_of_its_owner(self) -> None:
        groups = GroupList([make_group(owner=make_user()), make_group()])

        assert list(groups.to_pandas()["owner_id"].isna()) == [False, True]

    def test_a_part_of_the_members_has_a_frame_too(self) -> None:
        chat = make_chat(users=(make_user(), make_user("u2"), make_user("u3")))

        assert list(chat.users[1:].to_pandas()["uid"]) == ["u2", "u3"]


@pytest.mark.parametrize(
    "values", [ChatList(), FULL[0], UserTuple()], ids=["empty", "full", "tuple"]
)
class TestWithoutPandas:
    def test_the_error_says_what_to_install(
        self, values: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pandas", None)
        text = (
            r"^to_pandas\(\) needs pandas: "
            r'pip install "ipywidgets>=8\.0" "pandas>=2\.0" "tqdm>=4\.64"$'
        )
        with pytest.raises(ImportError, match=text) as caught:
            values.to_pandas()

        assert caught.value.name == "pandas"

    def test_what_pandas_itself_lacks_is_said_as_it_is(
        self, values: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "pandas.py").write_text("import colours")
        monkeypatch.delitem(sys.modules, "pandas")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ModuleNotFoundError, match="No module named 'colours'"):
            values.to_pandas()
