"""The double does what is documented of the vendor's SDK, and what its knobs promise."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import runpy
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import pytest

from teamwire_sync._sandbox.world.seed import (
    BOT_LIST,
    INVISIBLE_USER,
    KNOWN_CHAT,
    KNOWN_USER,
    PUBLIC_CIRCLE,
)
from teamwire_sync.testing import sandbox
from tests.support.sdk_double import DOUBLE, vendor_env
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor

T = TypeVar("T")

PROGRAMS = Path(__file__).parent / "programs"
CHATS = "/v1/bot/chats/"
POSTS = f"{CHATS}*/messages/"

old = pytest.mark.parametrize("vendor", ["1.4"], indirect=True)
new = pytest.mark.parametrize("vendor", ["1.8"], indirect=True)


def with_loop(call: Callable[[], T]) -> T:
    """Call in a new thread, which has an event loop."""

    def body() -> T:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return call()
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    with Threads() as threads:
        return threads.start(body).result()


def run(vendor: Vendor, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """What *work* makes of a connection; its end is that of the connection."""
    results: list[T] = []

    async def main(connection: Any) -> None:
        results.append(await work(connection))

    def body() -> None:
        with vendor.factory() as connection:
            connection.exec_async(main(connection))

    with_loop(body)
    return results[0]


def get_chat(tid: str = KNOWN_CHAT) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    return lambda connection: connection.chats.get_by_thread_id(tid)


def get_user(uid: str = KNOWN_USER) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    return lambda connection: connection.users.get_user(uid)


def get_group(gid: str = PUBLIC_CIRCLE) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    return lambda connection: connection.groups.get_group(gid)


def post(*args: Any, title: str = "test", **kwargs: Any) -> Callable[[Any], Any]:
    async def work(connection: Any) -> Any:
        chat = (await connection.chats.get_by_title(title))[0]
        return await chat.post(*args, **kwargs)

    return work


def error(vendor: Vendor, name: str) -> type[Exception]:
    """One of the errors of this test's double."""
    exceptions = importlib.import_module("teamwire_api.exceptions")
    found: type[Exception] = getattr(exceptions, name)
    return found


def public(thing: Any) -> set[str]:
    return {name for name in vars(thing) if not name.startswith("_")}


# The documented programs


def output(program: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    with_loop(lambda: runpy.run_path(str(PROGRAMS / f"{program}.py")))
    return capsys.readouterr().out.splitlines()


def test_the_documented_program_lists_the_chats(
    vendor: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = output("list_chats", capsys)
    assert (len(lines), lines[1]) == (101, f"- test, ID: {KNOWN_CHAT}")


def test_the_documented_program_finds_a_chat_by_id(
    vendor: Vendor, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = output("get_chat_by_thread_id", capsys)
    assert lines == [f"Found chat: test, ID: {KNOWN_CHAT}"]


def test_the_documented_program_finds_chats_by_title(
    vendor: Vendor, box: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = output("get_chat_by_title", capsys)
    assert lines[1:] == [f"- {chat.tid}" for chat in box.connect().chats.get_by_title("test")]


def test_the_documented_program_creates_a_chat(
    vendor: Vendor, box: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = output("create_chat", capsys)
    (chat,) = box.connect().chats.get_by_title("hello world")
    assert lines == [f"new chat created with id: {chat.tid}"]


def test_a_created_chat_has_the_members_and_the_first_message(
    vendor: Vendor, box: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    output("create_chat", capsys)
    (chat,) = box.connect().chats.get_by_title("hello world")
    (message,) = chat.iter_messages()
    members = [user.uid for user in chat.users], [group.gid for group in chat.groups]
    assert (*members, message.msg) == ([KNOWN_USER], [PUBLIC_CIRCLE], "test message")


# The documented names

POST = (
    "(message='', attachments=None, is_alert=False, reply_to=None, sender_display_name=None,"
    " alert_type=None)"
)
CONFIG = "(hide_deleted_messages=True, default_timeout=10, long_timeout=15, assets_timeout=60)"
PROPERTIES = ", allow_sending=True, allow_mute_notifications=True, is_alert=False"


def named(name: str) -> Any:
    """A function of this test's double."""
    module, *path = name.split(".")
    found: Any = importlib.import_module(f"teamwire_api.{module}")
    for part in path:
        found = getattr(found, part)
    return found


def bare(function: Any) -> str:
    """A method's signature without `self` and types."""
    _self, *parameters = inspect.signature(function).parameters.values()
    untyped = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
    return str(inspect.Signature(untyped))


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("chats.Chat.post", POST),
        ("chats.Chats.get_subscriptions", "()"),
        ("chats.Chats.get_by_thread_id", "(tid)"),
        ("chats.Chats.get_by_title", "(title)"),
        ("groups.Groups.get_group", "(gid)"),
        ("groups.Group.add_members", "(members=[])"),
        ("groups.Group.remove_members", "(members=[])"),
        ("users.Users.get_user", "(uid)"),
        ("users.User.has_avatar", "()"),
        ("users.User.load_avatar", "()"),
    ],
)
@new
def test_coroutines(vendor: Vendor, name: str, signature: str) -> None:
    found = named(name)
    assert (inspect.iscoroutinefunction(found), bare(found)) == (True, signature)


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("connection.Connection.exec_async", "(coro)"),
        ("connection.ConnectionConfig.__init__", CONFIG),
        ("groups.Group.get_members", "()"),
        ("groups.Group.is_member", "(user)"),
        ("users.User.full_name", "()"),
    ],
)
@new
def test_plain_methods(vendor: Vendor, name: str, signature: str) -> None:
    found = named(name)
    assert (inspect.iscoroutinefunction(found), bare(found)) == (False, signature)


@pytest.mark.parametrize(
    ("vendor", "more"), [("1.4", ""), ("1.8", PROPERTIES)], indirect=["vendor"]
)
def test_create_chat(vendor: Vendor, more: str) -> None:
    create = with_loop(lambda: type(vendor.factory().chats).create_chat)
    assert bare(create) == f"(title=None, users=None, groups=None, message=None{more})"


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("ChatType", {"ONE_TO_ONE", "GROUP"}),
        ("AlertType", {"ALERT", "ANNOUNCEMENT", "NOTE"}),
    ],
)
@new
def test_enums(vendor: Vendor, name: str, members: set[str]) -> None:
    kind = getattr(importlib.import_module("teamwire_api.chats"), name)
    assert {member.name for member in kind} == members


CHAT = {
    "tid", "title", "is_alert", "allow_sending", "allow_mute_notifications", "is_closed", "type",
    "users", "circles", "lists",
}  # fmt: skip
USER = {"uid", "first_name", "last_name", "org_name", "is_bot"}


@old
def test_attributes_of_a_chat_in_1_4(vendor: Vendor) -> None:
    assert public(run(vendor, get_chat())) == CHAT


@new
def test_attributes_of_a_chat_in_1_8(vendor: Vendor) -> None:
    assert public(run(vendor, get_chat())) == CHAT | {"admins"}


@old
def test_attributes_of_a_user_in_1_4(vendor: Vendor) -> None:
    assert public(run(vendor, get_user())) == USER


@new
def test_attributes_of_a_user_in_1_8(vendor: Vendor) -> None:
    assert public(run(vendor, get_user())) == USER | {"organisation"}


def test_attributes_of_a_group(vendor: Vendor) -> None:
    names = {"gid", "title", "members", "owner", "is_circle", "is_list", "is_public"}
    assert public(run(vendor, get_group())) == names


@new
def test_attributes_of_a_message(vendor: Vendor) -> None:
    assert public(run(vendor, post("hello"))) == {
        "chat", "mid", "from_user", "timestamp", "tstamp_date", "is_alert", "alert_type",
        "reply_to", "msg", "attachments", "deleted", "sender_display_name", "link_preview",
    }  # fmt: skip


# What comes back


def test_all_pages_are_read(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox(chats=501) as larger:
        for name, value in vendor_env(larger).items():
            monkeypatch.setenv(name, value)
        chats = run(vendor, lambda connection: connection.chats.get_subscriptions())
    assert len({chat.tid for chat in chats}) == 501


@pytest.mark.parametrize("get", [get_chat("nope"), get_user("nope"), get_group("nope")])
def test_what_is_not_there_is_none(vendor: Vendor, get: Callable[[Any], Any]) -> None:
    assert run(vendor, get) is None


def test_no_chat_has_an_unknown_title(vendor: Vendor) -> None:
    assert run(vendor, lambda connection: connection.chats.get_by_title("nope")) == []


def test_circles_and_lists_of_a_chat_are_apart(vendor: Vendor) -> None:
    async def work(connection: Any) -> list[tuple[int, int]]:
        chats = [
            (await connection.chats.get_by_title(title))[0]
            for title in ("Pflege: Alle", "Mittagessen")
        ]
        return [(len(chat.circles), len(chat.lists)) for chat in chats]

    assert run(vendor, work) == [(1, 0), (0, 1)]


@new
def test_the_bot_is_a_logged_in_user(vendor: Vendor, box: Sandbox) -> None:
    bot = run(vendor, get_user(box.bot_uid))
    assert [base.__name__ for base in type(bot).__mro__[:3]] == ["LoggedInUser", "Bot", "User"]


def test_a_group_has_its_members(vendor: Vendor) -> None:
    group = run(vendor, get_group())
    assert (len(group.members), group.is_member(group.members[0]), group.is_member("nope")) == (
        20,
        True,
        False,
    )


@pytest.mark.parametrize(("method", "change"), [("add_members", 1), ("remove_members", -1)])
def test_members_of_a_list_can_be_edited(vendor: Vendor, method: str, change: int) -> None:
    async def work(connection: Any) -> int:
        group = await connection.groups.get_group(BOT_LIST)
        circle = await connection.groups.get_group(PUBLIC_CIRCLE)
        others = [user for user in circle.members if not group.is_member(user)]
        before = len(group.members)
        await getattr(group, method)([(others if change > 0 else group.members)[0]])
        return len((await connection.groups.get_group(BOT_LIST)).members) - before

    assert run(vendor, work) == change


def test_a_picture_is_bytes(vendor: Vendor) -> None:
    async def work(connection: Any) -> tuple[bool, bytes]:
        user = await connection.users.get_user(KNOWN_USER)
        return await user.has_avatar(), await user.load_avatar()

    has, picture = run(vendor, work)
    assert (has, picture[:4]) == (True, b"\x89PNG")


@old
def test_post_gives_nothing_in_1_4(vendor: Vendor) -> None:
    assert run(vendor, post("hello")) is None


@new
def test_an_alert_without_a_type_is_an_alert(vendor: Vendor) -> None:
    assert run(vendor, post("hello", is_alert=True)).alert_type.name == "ALERT"


def test_a_post_arrives(vendor: Vendor, box: Sandbox) -> None:
    run(vendor, post("hello", None, False, None, "Leitstelle"))
    chat = box.connect().chats.get_by_thread_id(KNOWN_CHAT)
    assert chat is not None
    message = next(iter(chat.iter_messages()))
    assert (message.msg, message.sender_display_name) == ("hello", "Leitstelle")


# Errors


def test_wrong_credentials_are_refused_by_enter(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOUBLE_SECRET", "wrong")
    with pytest.raises(error(vendor, "TWAuthError")):
        run(vendor, get_chat())
    assert vendor.faults.live == 0


def test_without_credentials_no_connection_is_made(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOUBLE_SECRET")
    with pytest.raises(ValueError, match="DOUBLE_SECRET"):
        run(vendor, get_chat())


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ({"status": 401}, "TWAuthError"),
        ({"status": 403}, "TWAuthError"),
        ({"status": 404}, "TWNotFoundError"),
        ({"status": 409}, "TWServerError"),
        ({"status": 503, "body": "<h1>away</h1>"}, "TWServerError"),
        ({"status": 302, "headers": {"Location": "/health"}}, "TWServerError"),
        ({"drop": "before"}, "TWConnectionError"),
        ({"body": "<h1>away</h1>"}, "TWServerError"),
    ],
)
def test_errors_of_a_post(vendor: Vendor, box: Sandbox, fault: dict[str, Any], name: str) -> None:
    box.fault("POST", POSTS, **fault)
    with pytest.raises(error(vendor, name)):
        run(vendor, post("hello"))


def test_unknown_members(vendor: Vendor) -> None:
    async def work(connection: Any) -> None:
        group = await connection.groups.get_group(BOT_LIST)
        user = await connection.users.get_user(KNOWN_USER)
        user.uid = INVISIBLE_USER
        await group.add_members([user])

    with pytest.raises(error(vendor, "TWInvalidMembersError")):
        run(vendor, work)


def test_a_missing_picture(vendor: Vendor, box: Sandbox) -> None:
    async def work(connection: Any) -> None:
        await (await connection.users.get_user(box.bot_uid)).load_avatar()

    with pytest.raises(error(vendor, "TWImageLoadError")):
        run(vendor, work)


# Event loops


@old
def test_1_4_needs_a_loop_of_the_thread(vendor: Vendor) -> None:
    with Threads() as threads, pytest.raises(RuntimeError, match="no current event loop"):
        threads.start(vendor.factory).result()


@new
def test_1_8_needs_no_loop_of_the_thread(vendor: Vendor) -> None:
    async def work(connection: Any) -> None:
        assert await connection.users.get_user(KNOWN_USER)

    def body() -> None:
        with vendor.factory() as connection:
            connection.exec_async(work(connection))

    with Threads() as threads:
        threads.start(body).result()


def loops(vendor: Vendor) -> tuple[bool, bool]:
    """Whether the connection ran in the thread's loop, and whether its loop is closed after it."""
    found: list[asyncio.AbstractEventLoop] = []

    async def work() -> None:
        found.append(asyncio.get_running_loop())

    def body() -> tuple[bool, bool]:
        with vendor.factory() as connection:
            connection.exec_async(work())
        return found[0] is asyncio.get_event_loop(), found[0].is_closed()

    return with_loop(body)


@old
def test_1_4_leaves_the_loop_of_the_thread_open(vendor: Vendor) -> None:
    assert loops(vendor) == (True, False)


@new
def test_1_8_closes_its_own_loop(vendor: Vendor) -> None:
    assert loops(vendor) == (False, True)


def test_exec_async_refuses_where_a_loop_runs(vendor: Vendor) -> None:
    async def work(connection: Any) -> None:
        inner = asyncio.sleep(0)
        try:
            connection.exec_async(inner)
        finally:
            inner.close()

    with pytest.raises(RuntimeError, match="runs in this thread"):
        run(vendor, work)


@pytest.mark.parametrize(("vendor", "given"), [("1.4", None), ("1.8", "done")], indirect=["vendor"])
def test_what_exec_async_gives(vendor: Vendor, given: str | None) -> None:
    def body() -> Any:
        with vendor.factory() as connection:
            return connection.exec_async(asyncio.sleep(0, "done"))

    assert with_loop(body) == given


# Knobs


def test_calls_are_counted_by_name(vendor: Vendor) -> None:
    run(vendor, post("hello"))
    assert vendor.calls == dict.fromkeys(
        ("init", "enter", "exec_async", "get_by_title", "post", "exit"), 1
    )


def test_the_threads_that_entered_are_known(vendor: Vendor) -> None:
    names = []

    async def work(connection: Any) -> None:
        names.append(threading.current_thread().name)

    run(vendor, work)
    assert vendor.faults.threads == names


def cut_off(vendor: Vendor, hold: Any) -> None:
    """Post, and cancel that while it is held."""

    async def work(connection: Any) -> None:
        task = asyncio.ensure_future(post("hello")(connection))
        await asyncio.get_running_loop().run_in_executor(None, hold.wait_arrived)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(vendor, work)


@pytest.mark.parametrize(("after", "posts"), [(False, 0), (True, 1)])
def test_a_held_call_can_be_cut_off(vendor: Vendor, box: Sandbox, after: bool, posts: int) -> None:
    with vendor.faults.hold("post", after=after) as hold:
        cut_off(vendor, hold)
    assert box.count("POST", POSTS) == posts


def test_a_held_call_goes_on_when_released(vendor: Vendor, box: Sandbox) -> None:
    hold = vendor.faults.hold("post")
    with Threads() as threads:
        posting = threads.start(lambda: run(vendor, post("hello")))
        hold.wait_arrived()
        hold.release()
        posting.result()
    assert box.count("POST", POSTS) == 1


def test_a_hold_leaves_other_coroutines_alone(vendor: Vendor) -> None:
    async def work(connection: Any) -> Any:
        held = asyncio.ensure_future(connection.chats.get_subscriptions())
        user = await connection.users.get_user(KNOWN_USER)
        hold.release()
        await held
        return user

    hold = vendor.faults.hold("get_subscriptions")
    assert run(vendor, work).uid == KNOWN_USER


def test_a_stubborn_call_ignores_that_it_is_cancelled(vendor: Vendor, box: Sandbox) -> None:
    async def work(connection: Any) -> bool:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(post("hello")(connection))
        for count in (1, 2):
            await loop.run_in_executor(None, stubborn.wait_arrived)
            task.cancel()
            await loop.run_in_executor(None, stubborn.wait_cancelled, count)
        is_done = task.done()
        stubborn.release()
        await task
        return is_done

    stubborn = vendor.faults.stubborn("post")
    assert (run(vendor, work), box.count("POST", POSTS)) == (False, 1)


def test_a_blocking_call_keeps_its_loop(vendor: Vendor) -> None:
    order = []

    async def work(connection: Any) -> None:
        asyncio.get_running_loop().call_soon(order.append, "loop")
        await connection.users.get_user(KNOWN_USER)

    with Threads() as threads, vendor.faults.block("get_user") as block:
        running = threads.start(lambda: run(vendor, work))
        block.wait_arrived()
        order.append("test")
        block.release()
        running.result()
    assert order == ["test", "loop"]


@pytest.mark.parametrize(("after", "posts"), [(False, 0), (True, 1)])
def test_a_call_can_fail(vendor: Vendor, box: Sandbox, after: bool, posts: int) -> None:
    vendor.faults.fail("post", OSError("broken"), after=after)
    with pytest.raises(OSError, match="broken"):
        run(vendor, post("hello"))
    assert box.count("POST", POSTS) == posts


def test_a_failure_befalls_as_many_calls_as_it_is_told(vendor: Vendor) -> None:
    vendor.faults.fail("get_user", OSError("broken"), times=1)
    with pytest.raises(OSError, match="broken"):
        run(vendor, get_user())
    assert run(vendor, get_user()).uid == KNOWN_USER


def test_a_call_can_have_something_called_in_its_thread(vendor: Vendor) -> None:
    names: list[str] = []
    vendor.faults.on("get_user", lambda: names.append(threading.current_thread().name))
    run(vendor, get_user())
    assert names == vendor.faults.threads


@pytest.mark.parametrize("name", ["init", "enter", "exit"])
def test_a_connection_can_fail(vendor: Vendor, name: str) -> None:
    getattr(vendor.faults, f"fail_{name}")(OSError("broken"))
    with pytest.raises(OSError, match="broken"):
        run(vendor, get_user())


def test_an_exit_that_fails_leaves_no_thread(vendor: Vendor) -> None:
    vendor.faults.fail_exit(OSError("broken"))
    before = set(threading.enumerate())
    with pytest.raises(OSError, match="broken"):
        run(vendor, get_user())
    more = [thread.name for thread in set(threading.enumerate()) - before]
    assert [name for name in more if name.startswith("teamwire_api")] == []


def test_entering_can_be_held(vendor: Vendor) -> None:
    with Threads() as threads, vendor.faults.hold_enter() as hold:
        running = threads.start(lambda: run(vendor, get_user()))
        hold.wait_arrived()
        assert vendor.calls["exec_async"] == 0
        hold.release()
        assert running.result().uid == KNOWN_USER


def crashed(vendor: Vendor, *, cancel: bool) -> bool:
    """Crash while a call is held; whether that was cancelled."""
    was_cancelled = []

    async def work(connection: Any) -> None:
        try:
            await connection.users.get_user(KNOWN_USER)
        except asyncio.CancelledError:
            was_cancelled.append(True)
            raise

    with Threads() as threads, vendor.faults.hold("get_user") as hold:
        running = threads.start(lambda: run(vendor, work))
        hold.wait_arrived()
        vendor.faults.crash(cancel=cancel)
        with pytest.raises(error(vendor, "TWConnectionError")):
            running.result()
        return bool(was_cancelled)


@pytest.mark.parametrize("cancel", [False, True])
def test_a_crash_ends_what_runs(vendor: Vendor, cancel: bool) -> None:
    assert crashed(vendor, cancel=cancel) == cancel


def test_after_a_crash_nothing_runs(vendor: Vendor) -> None:
    work = asyncio.sleep(0)

    def body() -> None:
        with vendor.factory() as connection:
            vendor.faults.crash()
            connection.exec_async(work)

    with pytest.raises(error(vendor, "TWConnectionError")):
        with_loop(body)
    state = inspect.getcoroutinestate(work)
    work.close()
    assert state == inspect.CORO_CREATED


def test_after_a_crash_a_new_connection_works(vendor: Vendor) -> None:
    crashed(vendor, cancel=True)
    assert run(vendor, get_user()).uid == KNOWN_USER


def test_an_exit_does_not_wait_for_a_request_that_hangs(vendor: Vendor, box: Sandbox) -> None:
    async def work(connection: Any) -> None:
        task = asyncio.ensure_future(post("hello")(connection))
        await asyncio.get_running_loop().run_in_executor(None, hold.wait_arrived)
        task.cancel()
        await asyncio.wait({task})

    with box.hold("POST", POSTS) as hold:
        run(vendor, work)
        names = [thread.name for thread in threading.enumerate()]
    assert any(name.startswith("teamwire_api") for name in names)


def test_the_double_knows_nothing_of_this_project() -> None:
    sources = [path.read_text("utf-8") for path in DOUBLE.rglob("*.py")]
    assert [text for text in sources if "teamwire_sync" in text] == []
