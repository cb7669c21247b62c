"""Lists as data frames."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from teamwire_sync import AlertType, ChatHandle, ChatList, ChatType, MessageList
from tests.support.builders import make_chat, make_file, make_group, make_message, make_user

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = [ChatList(), MessageList()]
FULL = [
    ChatList([make_chat("t1", users=(make_user(),)), make_chat("t2", None)]),
    MessageList([make_message(), make_message(msg=None)]),
]
COLUMNS = {
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


@pytest.mark.parametrize(
    "values", [*EMPTY, *FULL], ids=lambda values: f"{type(values).__name__} {len(values)}"
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
