"""The demo: list, find and create chats in a sandbox, and measure many look-ups."""

from __future__ import annotations

import io
import random
import time
from typing import TYPE_CHECKING, Callable, TypeVar

from teamwire_sync._display.html import count_of
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._sandbox.world.seed import KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync._services.attachments import Attachments

if TYPE_CHECKING:
    from teamwire_sync._connection import Connection
    from teamwire_sync._models.chats import Chat
    from teamwire_sync._services.chats import Chats
    from teamwire_sync.testing import Sandbox

T = TypeVar("T")

_UNCACHED = 5
_LISTING = OPERATIONS["list_chats"]


class Demo:
    """A demo of the main operations. The run measures and counts its figures.

    The exception is the number of requests that there would have been without the cache.

    Args:
        box: The sandbox to use.
        echo: A function that prints a line.
    """

    def __init__(self, box: Sandbox, echo: Callable[[str], object]) -> None:
        self._box = box
        self._echo = echo

    def run(self, lookups: int) -> None:
        """Run the demo, with *lookups* look-ups by thread ID and *lookups* by title."""
        with self._box.connect() as connection:
            chats = connection.chats
            self._echo("The four operations")
            created = self._operations(connection)
            self._echo("\nWithin a chat")
            self._within(connection, created)
            cached = self._look_up(chats, lookups, "with the cache", before_each=None)
            done, asked = chats.cache_info().lookups, self._listings()
            uncached = self._look_up(
                chats, _UNCACHED, "without the cache", before_each=chats.invalidate
            )
            pages = (self._listings() - asked) / (2 * _UNCACHED)
        self._echo("\nTime of a look-up")
        self._echo(f"  with the cache      {_duration(cached):>10}")
        times = f"{uncached / cached:,.0f} times as long"
        self._echo(f"  without the cache   {_duration(uncached):>10}, {times}")
        self._echo(f"\nRequests that the server received for the first {done:,} look-ups")
        self._echo(f"  {_LISTING.method} {_LISTING.path}    {asked:>12,} times")
        would = f"{done * pages:>12,.0f} times without the cache: {pages:g} for each look-up"
        self._echo(f"  it would have been    {would}")
        self._echo(f"  saved                 {done * pages - asked:>12,.0f}")

    def _operations(self, connection: Connection) -> Chat:
        chats = connection.chats
        everything = self._step("list the chats", chats.get_subscriptions)
        untitled = sum(not chat.title for chat in everything)
        self._echo(f"    {count_of(len(everything), 'chat')}, {untitled:,} of them untitled")
        known = everything[0]
        chat = self._step("find a chat by thread ID", lambda: chats.get_by_thread_id(known.tid))
        self._echo(f"    {chat!r}")
        title = known.title or ""
        same = self._step("find chats by title", lambda: chats.get_by_title(title))
        self._echo(f"    {len(same)} with the title {title!r}")
        user = self._step("find a user", lambda: connection.users.get_user(KNOWN_USER))
        circle = self._step("find a circle", lambda: connection.groups.get_group(PUBLIC_CIRCLE))
        self._echo(f"    {user and user.full_name()}, {circle and circle.title!r}")
        created = self._step(
            "create a chat with both",
            lambda: chats.create_chat(
                title="hello world",
                users=[user] if user else [],
                groups=[circle] if circle else [],
                message="test message",
            ),
        )
        again = self._step("find the chat by its title", lambda: chats.get_by_title("hello world"))
        self._echo(f"    {created!r}, found: {created in again}")
        return created

    def _within(self, connection: Connection, chat: Chat) -> None:
        plan = Attachments().add_file(io.BytesIO(b"08:00 Anna\n20:00 Ben\n"), "plan.txt")
        posted = self._step("post a text and a file", lambda: chat.post("the plan", plan))
        self._echo(f"    {posted!r}, {posted.attachments}")
        messages = self._step("read the messages", chat.get_messages)
        self._echo(f"    {[message.msg for message in messages]}")
        renamed = self._step("rename the chat", lambda: chat.set_title("shift plan"))
        found = self._step(
            "find it by the new title", lambda: connection.chats.get_by_title("shift plan")
        )
        self._echo(f"    {renamed!r}, found: {renamed in found}")
        events = self._step("listen", lambda: connection.events(timeout=10))
        self._box.post_message(chat, "thank you")
        event = self._step("receive a message", lambda: next(events))
        self._echo(f"    {event!r}")

    def _step(self, what: str, do: Callable[[], T]) -> T:
        before = len(self._box.requests)
        started = time.perf_counter()
        result = do()
        seconds = time.perf_counter() - started
        requests = len(self._box.requests) - before
        self._echo(f"  {what:<26}{_duration(seconds):>10}  {count_of(requests, 'request')}")
        return result

    def _look_up(
        self, chats: Chats, count: int, how: str, *, before_each: Callable[[], None] | None
    ) -> float:
        """Return the mean seconds of *count* look-ups by thread ID and *count* by title."""
        picks = random.Random(1).choices(chats.get_subscriptions(), k=count)  # noqa: S311  no secret
        asked = self._listings()
        started = time.perf_counter()
        for chat in picks:
            if before_each:
                before_each()
            chats.get_by_thread_id(chat.tid)
            if before_each:
                before_each()
            chats.get_by_title(chat.title or "")
        seconds = time.perf_counter() - started
        asked = self._listings() - asked
        self._echo(f"\n{count:,} look-ups by thread ID and {count:,} by title, {how}")
        self._echo(f"  {_duration(seconds)} in total, {count_of(asked, 'request')} for the chats")
        return seconds / (2 * count)

    def _listings(self) -> int:
        return self._box.count(_LISTING.method, _LISTING.path)


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
