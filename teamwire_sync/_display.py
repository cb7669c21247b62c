"""How values look in a notebook, and a list of chats at a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsIndex, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from teamwire_sync._models.chats import Chat
else:
    from typing import Any as Chat

_SHOWN = 20


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table of texts, escaped: they are other people's."""
    from html import escape  # noqa: PLC0415  only notebooks need it

    def row(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row("td", cells) for cells in rows)
    return f"<table><thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"


class ChatList(list[Chat]):
    """Chats, as a list of its own: changing it changes nothing else.

    A long one is cut where it is shown, never in what it holds.
    """

    @overload
    def __getitem__(self, index: SupportsIndex) -> Chat: ...

    @overload
    def __getitem__(self, index: slice) -> ChatList: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Chat | ChatList:
        if isinstance(index, slice):
            return ChatList(super().__getitem__(index))
        return super().__getitem__(index)

    def __repr__(self) -> str:
        if len(self) <= _SHOWN:
            return super().__repr__()
        shown = ", ".join(map(repr, self[:_SHOWN]))
        return f"[{shown}, ... {len(self):,} chats]"

    def _repr_html_(self) -> str:
        rows = [
            (
                chat.title or "no title",
                chat.tid,
                chat.type,
                f"{len(chat.users):,}",
                ", ".join(group.title for group in chat.groups),
            )
            for chat in self[:_SHOWN]
        ]
        table = html_table(("title", "tid", "type", "users", "groups"), rows)
        return f"{table}<p>{min(len(self), _SHOWN):,} of {len(self):,} chats</p>"
