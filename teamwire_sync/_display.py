"""How values look in a notebook, and lists of them at a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pandas import DataFrame

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.messages import Message
else:
    from typing import Any as Chat
    from typing import Any as Message

T = TypeVar("T")

_SHOWN = 20
_LONGEST_TEXT = 200


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table of texts, escaped: they are other people's."""
    from html import escape  # noqa: PLC0415  only notebooks need it

    def row(tag: str, cells: Sequence[str]) -> str:
        # dir: a text that is written from right to left turns none but itself.
        return (
            "<tr>"
            + "".join(f'<{tag} dir="auto">{escape(cell)}</{tag}>' for cell in cells)
            + "</tr>"
        )

    body = "".join(row("td", cells) for cells in rows)
    return f"<table><thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"


def names_of(values: Sequence[str]) -> str:
    """Names for one cell; of many, the first."""
    more = f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more


def cut(text: str) -> str:
    """A text for one cell."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."


def html_of(value: Any) -> str:
    """One of our models: its attributes, as far as it has them."""
    from attrs import fields  # noqa: PLC0415  only notebooks need it

    rows = [
        (field.name, _cell(getattr(value, field.name)))
        for field in fields(type(value))
        if not field.name.startswith("_")
    ]
    if hasattr(value, "attachments"):
        rows.append(("attachments", names_of([each.type for each in value.attachments or ()])))
    return html_table((type(value).__name__, ""), rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return names_of([_cell(each) for each in value])
    if isinstance(value, str):
        return cut(str(value))
    if hasattr(value, "full_name"):
        return str(value.full_name())
    # Of a chat or group its title, of a message its text.
    for name in ("title", "tid", "msg"):
        if isinstance(getattr(value, name, None), str):
            return cut(getattr(value, name) or _cell(getattr(value, "tid", "")))
    return cut(str(value))


class _Shown(list[T]):
    """A list of its own: changing it changes nothing else.

    A long one is cut where it is shown, never in what it holds.
    """

    _what = "items"
    _head: Sequence[str] = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> _Shown[T]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> T | _Shown[T]:
        if isinstance(index, slice):
            return type(self)(super().__getitem__(index))
        return super().__getitem__(index)

    def __repr__(self) -> str:
        if len(self) <= _SHOWN:
            return super().__repr__()
        shown = ", ".join(map(repr, self[:_SHOWN]))
        return f"[{shown}, ... {len(self):,} {self._what}]"

    def _repr_html_(self) -> str:
        table = html_table(self._head, map(self._row, self[:_SHOWN]))
        return f"{table}<p>{min(len(self), _SHOWN):,} of {len(self):,} {self._what}</p>"

    @staticmethod
    def _row(item: T) -> Sequence[str]:
        raise NotImplementedError


class ChatList(_Shown[Chat]):
    """Chats, as a list of its own: changing it changes nothing else.

    A long one is cut where it is shown, never in what it holds.
    """

    _what = "chats"
    _head = ("title", "tid", "type", "users", "groups")

    @staticmethod
    def _row(item: Chat) -> Sequence[str]:
        return (
            item.title or "no title",
            item.tid,
            item.type,
            f"{len(item.users):,}",
            names_of([group.title for group in item.groups]),
        )

    def to_pandas(self) -> DataFrame:
        """The chats as a data frame, one row for each, in the order of the list.

        Columns: tid, title and type (strings), users, groups and admins (how many), is_alert,
        allow_sending, allow_mute_notifications and is_closed (bool).

        Raises:
            ImportError: There is no pandas; the text says what to install.
        """
        from teamwire_sync._frames import chat_frame  # noqa: PLC0415  an extra

        return chat_frame(self)


class MessageList(_Shown[Message]):
    """Messages, as a list of its own: changing it changes nothing else.

    A long one is cut where it is shown, never in what it holds.
    """

    _what = "messages"
    _head = ("date (UTC)", "from", "message", "attachments")

    @staticmethod
    def _row(item: Message) -> Sequence[str]:
        return (
            f"{item.tstamp_date:%Y-%m-%d %H:%M}",
            item.sender_display_name or item.from_user.full_name(),
            "deleted" if item.deleted else cut(item.msg or ""),
            names_of([each.type for each in item.attachments or ()]),
        )

    def to_pandas(self) -> DataFrame:
        """The messages as a data frame, one row for each, in the order of the list.

        Columns: mid, tid, from_uid, from_name and msg (strings), date (with the time zone UTC),
        is_alert (bool), alert_type, reply_to and sender_display_name (strings), deleted (bool),
        attachments (how many).

        Raises:
            ImportError: There is no pandas; the text says what to install.
        """
        from teamwire_sync._frames import message_frame  # noqa: PLC0415  an extra

        return message_frame(self)
