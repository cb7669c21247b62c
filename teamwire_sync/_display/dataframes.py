"""Data frames for notebooks; needs `teamwire_sync[notebook]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import pandas as pd
except ModuleNotFoundError as error:
    if error.name != "pandas":
        raise
    message = "to_pandas() needs pandas: pip install 'teamwire_sync[notebook]'"
    raise ImportError(message, name="pandas") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.messages import Message

    Column = tuple[str, Callable[[Any], object]]

_TEXT = "string"
_COUNT = "int64"
_FLAG = "bool"
# The server's own unit. In nanoseconds, pandas' years end in 2262.
_DATE = "datetime64[ms]"

_OF_CHATS: Mapping[str, Column] = {
    "tid": (_TEXT, lambda chat: chat.tid),
    "title": (_TEXT, lambda chat: chat.title),
    "type": (_TEXT, lambda chat: chat.type.value),
    "users": (_COUNT, lambda chat: len(chat.users)),
    "groups": (_COUNT, lambda chat: len(chat.groups)),
    "admins": (_COUNT, lambda chat: len(chat.admins)),
    "is_alert": (_FLAG, lambda chat: chat.is_alert),
    "allow_sending": (_FLAG, lambda chat: chat.allow_sending),
    "allow_mute_notifications": (_FLAG, lambda chat: chat.allow_mute_notifications),
    "is_closed": (_FLAG, lambda chat: chat.is_closed),
}
_OF_MESSAGES: Mapping[str, Column] = {
    "mid": (_TEXT, lambda message: message.mid),
    "tid": (_TEXT, lambda message: message.chat.tid),
    "from_uid": (_TEXT, lambda message: message.from_user.uid),
    "from_name": (_TEXT, lambda message: message.from_user.full_name()),
    "date": (_DATE, lambda message: message.timestamp),
    "msg": (_TEXT, lambda message: message.msg),
    "is_alert": (_FLAG, lambda message: message.is_alert),
    "alert_type": (_TEXT, lambda message: message.alert_type and message.alert_type.value),
    "reply_to": (_TEXT, lambda message: message.reply_to),
    "sender_display_name": (_TEXT, lambda message: message.sender_display_name),
    "deleted": (_FLAG, lambda message: message.deleted),
    "attachments": (_COUNT, lambda message: len(message.attachments or ())),
}


def chat_frame(chats: Sequence[Chat]) -> pd.DataFrame:
    """A row for each of *chats*."""
    return _frame(chats, _OF_CHATS)


def message_frame(messages: Sequence[Message]) -> pd.DataFrame:
    """A row for each of *messages*."""
    return _frame(messages, _OF_MESSAGES)


def _frame(items: Sequence[Any], columns: Mapping[str, Column]) -> pd.DataFrame:
    # Each with its type, or a list without items would have none.
    series = {
        name: pd.Series([value_of(item) for item in items], dtype=dtype)
        for name, (dtype, value_of) in columns.items()
    }
    for name, (dtype, _) in columns.items():
        if dtype == _DATE:
            # A type with a zone at once would become nanoseconds in pandas 2.0.
            series[name] = series[name].dt.tz_localize("UTC")
    return pd.DataFrame(series)
