"""How values look in a notebook, and lists of them at a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, Union, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pandas import DataFrame

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.messages import Message
else:
    from typing import Any as Chat
    from typing import Any as Message

T = TypeVar("T")

# The text of a cell, or names that stand in it.
Cell = Union[str, "Sequence[str]"]

_SHOWN = 20
_LONGEST_TEXT = 200
_LONGEST_NAME = 60
# Notebooks align cells to the right, as figures are.
_STYLE = "text-align:left;vertical-align:top;max-width:40em;overflow-wrap:break-word"


def html_table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """An HTML table of texts, escaped and cut: they are other people's."""
    from html import escape  # noqa: PLC0415  only notebooks need it

    def inner(cell: Cell) -> str:
        if isinstance(cell, str):
            return escape(_cut(cell, _LONGEST_TEXT))
        names = [f"<bdi>{escape(_cut(name, _LONGEST_NAME))}</bdi>" for name in cell[:_SHOWN]]
        more = f" and {len(cell) - _SHOWN:,} more" if len(cell) > _SHOWN else ""
        return ", ".join(names) + more

    def row(tag: str, cells: Sequence[Cell]) -> str:
        # dir, and bdi: a text that is written from right to left turns none but itself.
        start = f'<{tag} dir="auto" style="{_STYLE}">'
        return f"<tr>{''.join(f'{start}{inner(cell)}</{tag}>' for cell in cells)}</tr>"

    body = "".join(row("td", cells) for cells in rows)
    # The class: two dollar signs are no formula.
    return (
        '<table class="tex2jax_ignore mathjax_ignore">'
        f"<thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


def html_of(value: Any) -> str:
    """One of our models: its attributes, as far as it has them."""
    from attrs import fields  # noqa: PLC0415  only notebooks need it

    rows: list[tuple[str, Cell]] = []
    for field in fields(type(value)):
        if field.name == "timestamp":
            rows.append(("date (UTC)", _shown_date(value.timestamp)))
        elif field.name == "_attachments":
            rows.append(("attachments", [_text(each) for each in value.attachments or ()]))
        elif not field.name.startswith("_"):
            rows.append((field.name, _cell(getattr(value, field.name))))
    return html_table((type(value).__name__, ""), [row for row in rows if row[1]])


def _cell(value: Any) -> Cell:
    return [_text(each) for each in value] if isinstance(value, tuple) else _text(value)


def _text(value: Any) -> str:
    """A value in the cell of another."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if hasattr(value, "full_name"):
        return str(value.full_name() or value.uid)
    # Of a chat its title, of a message its text, of an attachment its name; else what there is.
    for name in ("title", "msg", "name", "url", "tid", "gid", "mid", "type"):
        text = getattr(value, name, None)
        if isinstance(text, str) and text:
            return str(text)
    return str(value)


def _shown_date(timestamp: int) -> str:
    from teamwire_sync._models.messages import date_of  # noqa: PLC0415  only notebooks need it

    return f"{date_of(timestamp):%Y-%m-%d %H:%M}"


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
    def _row(item: T) -> Sequence[Cell]:
        raise NotImplementedError


class ChatList(_Shown[Chat]):
    """Chats, as a list of its own: changing it changes nothing else.

    A long one is cut where it is shown, never in what it holds.
    """

    _what = "chats"
    _head = ("title", "tid", "type", "users", "groups")

    @staticmethod
    def _row(item: Chat) -> Sequence[Cell]:
        return (
            item.title or "no title",
            item.tid,
            item.type,
            f"{len(item.users):,}",
            [_text(group) for group in item.groups],
        )

    def to_pandas(self) -> DataFrame:
        """The chats as a data frame, one row for each, in the order of the list.

        Columns: tid, title and type (strings), users, groups and admins (how many), is_alert,
        allow_sending, allow_mute_notifications and is_closed (bool).

        Raises:
            ImportError: There is no pandas; the text says what to install.
        """
        from teamwire_sync._display.dataframes import chat_frame  # noqa: PLC0415  an extra

        return chat_frame(self)


class MessageList(_Shown[Message]):
    """Messages, as a list of its own: changing it changes nothing else.

    A long one is cut where it is shown, never in what it holds.
    """

    _what = "messages"
    _head = ("date (UTC)", "from", "message", "attachments")

    @staticmethod
    def _row(item: Message) -> Sequence[Cell]:
        return (
            _shown_date(item.timestamp),
            item.sender_display_name or _text(item.from_user),
            "deleted" if item.deleted else item.msg or "",
            [_text(each) for each in item.attachments or ()],
        )

    def to_pandas(self) -> DataFrame:
        """The messages as a data frame, one row for each, in the order of the list.

        Columns: mid, tid, from_uid, from_name and msg (strings), date (with the time zone UTC),
        is_alert (bool), alert_type, reply_to and sender_display_name (strings), deleted (bool),
        attachments (how many).

        Raises:
            ImportError: There is no pandas; the text says what to install.
        """
        from teamwire_sync._display.dataframes import message_frame  # noqa: PLC0415  an extra

        return message_frame(self)
