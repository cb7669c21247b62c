"""The transport that uses the vendor's async SDK."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from teamwire_sync._internal.deadlines import within
from teamwire_sync._internal.imports import import_whole
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.validation import check_seconds, require_id
from teamwire_sync._transport import (
    Ability,
    ChatDraft,
    ChatPage,
    ChatState,
    MemberEdit,
    MessageDraft,
)
from teamwire_sync._vendor.calls import Call
from teamwire_sync._vendor.errors import cause_of, is_lasting, kind_of
from teamwire_sync._vendor.loop_thread import VendorThread
from teamwire_sync._vendor.models import Converter
from teamwire_sync._vendor.unsupported import unsupported, unsupported_method
from teamwire_sync.exceptions import (
    TWAuthError,
    TWConfigError,
    TWDeliveryUnknownError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWUnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

    from teamwire_sync._models.chats import Chat, ChatHandle, Message
    from teamwire_sync._models.messages import AlertType
    from teamwire_sync._models.people import Group, User

T = TypeVar("T")

# The number of chats to convert before the event loop may run other calls.
_CHATS_PER_TURN = 200
# The limit on concurrent look-ups of users or groups.
_MAX_LOOKUPS = 8

_MEMBERS_HINT = "connection.groups.get_group(gid) returns the current members"


class VendorTransport:
    """A transport with blocking calls that uses the vendor's async SDK, ``teamwire_api``.

    It relies only on the vendor's documentation of versions 1.4 to 1.8. See "Not yet run on a real
    server" in docs/vendor.md. The SDK runs on its own thread, which starts with the first call. So
    a caller may be inside a running event loop.

    Args:
        connection_factory: A callable that creates the vendor's connection. None means
            ``teamwire_api.Connection``, which finds its credentials itself.
        total_timeout: The seconds that a call without its own time-out may take.
        bot: A text that identifies the bot in a store; see `Connection`. None means
            that no store can be used.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: *total_timeout* is out of range, or *bot* is empty.
        TWConfigError: The vendor's SDK can't be imported. The text says what to do.
    """

    abilities: frozenset[Ability] = frozenset()

    get_me = unsupported_method(
        Ability.OWN_USER,
        "; connection.chats.get_subscriptions() also shows that all settings are right",
    )
    edit_chat = edit_members = edit_admins = leave_chat = unsupported_method(Ability.CHAT_EDITS)
    get_messages = unsupported_method(Ability.MESSAGES)
    upload = download = unsupported_method(Ability.ATTACHMENTS)
    get_users = get_groups = unsupported_method(Ability.DIRECTORY)
    get_events = pause = unsupported_method(Ability.EVENTS)

    def __init__(
        self,
        connection_factory: Callable[[], Any] | None = None,
        *,
        total_timeout: float = 60,
        bot: str | None = None,
    ) -> None:
        if connection_factory is None:
            connection_factory = _vendor_connection()
        elif not callable(connection_factory):
            made = " (an existing connection)" if hasattr(connection_factory, "exec_async") else ""
            message = (
                "connection_factory must be callable, such as the class teamwire_api.Connection, "
                f"not {type(connection_factory).__name__}{made}"
            )
            raise TypeError(message)
        self.identity = None if bot is None else f"vendor {require_id(bot, 'bot')}"
        self.on_unauthorized: Callable[[], None] = lambda: None
        self._total_timeout = check_seconds("total_timeout", total_timeout)
        self._thread = VendorThread(connection_factory)

    # Chats

    def iter_chat_pages(
        self,
        *,
        validator: str | None,  # noqa: ARG002  the vendor's SDK has no validators
        deadline: float | None,
        refresh: bool = False,  # noqa: ARG002  nothing in between caches the chats
        since: int | None = None,  # noqa: ARG002  the vendor's SDK has no revisions
    ) -> Iterator[ChatPage]:
        """Yield one page with all chats of the bot."""

        async def work(vendor: Any, _call: Call[ChatPage]) -> ChatPage:
            converter = Converter()
            chats: list[Chat] = []
            # A copy: the vendor's list may change while the event loop runs other calls.
            for theirs in list(await vendor.chats.get_subscriptions() or ()):
                chats.append(converter.chat(theirs))
                if not len(chats) % _CHATS_PER_TURN:
                    await asyncio.sleep(0)  # a large listing must not block other calls
            return ChatPage(
                chats, users=list(converter.users.values()), groups=list(converter.groups.values())
            )

        try:
            page = self._call("chats.get_subscriptions", work, deadline)
        except not_by_signal(TWAuthError):
            # Every bot may list its own chats. So the server does not accept the credentials.
            self.on_unauthorized()
            raise
        yield page

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> ChatState:
        """Create a chat."""

        async def work(vendor: Any, call: Call[ChatState]) -> ChatState:
            users, groups = await _look_up_members(vendor, draft.user_ids, draft.group_ids)
            theirs = await _write(
                call,
                vendor.chats.create_chat,
                users=list(users.values()),
                groups=list(groups.values()),
                title=draft.title,
                message=draft.message,
                allow_sending=None if draft.allow_sending else False,
                allow_mute_notifications=None if draft.allow_mute_notifications else False,
                is_alert=draft.is_alert or None,
            )
            chat = Converter().chat(theirs)
            return ChatState(chat.tid, chat)

        try:
            return self._call(
                "chats.create_chat",
                work,
                deadline,
                hint="connection.chats.get_subscriptions(refresh=True) lists the chat if it was "
                "made",
            )
        except not_by_signal(TWAuthError) as error:
            if draft.group_ids and error.code != "unauthorized":
                error.args = (f"{error}; a bot can use only public circles",)
            raise

    # Messages

    def post_message(
        self, chat: Chat | ChatHandle, draft: MessageDraft, *, deadline: float | None
    ) -> Message:
        """Post a message in a chat.

        The vendor does not document whether its SDK returns the message ID. `Message.mid` is empty
        if it does not.
        """
        if draft.attachments:
            raise unsupported(Ability.ATTACHMENTS)

        async def work(vendor: Any, call: Call[Message]) -> Message:
            missing = f"chat.post: there is no chat {chat.tid!r}, or the bot is not in it"
            theirs = await _existing(vendor.chats.get_by_thread_id, chat.tid, missing)
            posted = await _write(
                call,
                theirs.post,
                message=draft.message,
                is_alert=draft.is_alert or None,
                alert_type=_their_alert_type(theirs, draft.alert_type),
                reply_to=draft.reply_to,
                sender_display_name=draft.sender_display_name,
            )
            return Converter().message(posted, chat, draft)

        return self._call(
            "chat.post",
            work,
            deadline,
            hint="any Teamwire app shows the message in the chat if it was posted",
        )

    # The directory

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        """Return the user with the ID *uid*, or None if no such user exists."""

        async def work(vendor: Any, _call: Call[User | None]) -> User | None:
            theirs = await _or_none(vendor.users.get_user, uid)
            return Converter().user(theirs) if theirs else None

        return self._call("users.get_user", work, deadline)

    def get_avatar(self, uid: str, *, deadline: float | None) -> bytes:
        """Return the picture of a user."""

        async def work(vendor: Any, _call: Call[bytes]) -> bytes:
            missing = f"user.load_avatar: there is no user {uid!r}"
            theirs = await _existing(vendor.users.get_user, uid, missing)
            return bytes(await theirs.load_avatar())

        return self._call("user.load_avatar", work, deadline)

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        """Return a circle or list with its members, or None if it does not exist."""

        async def work(vendor: Any, _call: Call[Group | None]) -> Group | None:
            theirs = await _or_none(vendor.groups.get_group, gid)
            return Converter().whole_group(theirs) if theirs else None

        return self._call("groups.get_group", work, deadline)

    def edit_group_members(self, gid: str, edit: MemberEdit, *, deadline: float | None) -> Group:
        """Add members to a list and remove members from it."""

        async def work(vendor: Any, call: Call[Group]) -> Group:
            missing = f"group: there is no group {gid!r}, or the bot can't see it"
            theirs = await _existing(vendor.groups.get_group, gid, missing)
            users, _ = await _look_up_members(vendor, (*edit.add_users, *edit.remove_users))
            call.mark_sent()
            if edit.add_users:
                await theirs.add_members([users[uid] for uid in edit.add_users])
            if edit.remove_users:
                await theirs.remove_members([users[uid] for uid in edit.remove_users])
            return Converter().whole_group(await _read_again(vendor.groups.get_group, gid))

        return self._call("group.add_members or remove_members", work, deadline, hint=_MEMBERS_HINT)

    def close(self) -> None:
        """Close the vendor's connection and end its thread; idempotent."""
        self._thread.close()

    def __repr__(self) -> str:
        return "<VendorTransport>"

    def __reduce__(self) -> NoReturn:
        message = "a VendorTransport can't be pickled or copied: make one in each process"
        raise TypeError(message)

    def _call(
        self,
        name: str,
        work: Callable[[Any, Call[T]], Coroutine[Any, Any, T]],
        deadline: float | None,
        *,
        hint: str = "",
    ) -> T:
        if deadline is None:
            deadline = within(None, self._total_timeout)
        try:
            return self._thread.run(Call(name, work, deadline=deadline, hint=hint))
        except not_by_signal(TWAuthError) as error:
            if error.code == "unauthorized":
                self.on_unauthorized()
            raise


def ask_vendor(
    transport: VendorTransport, name: str, work: Callable[[Any, Call[T]], Coroutine[Any, Any, T]]
) -> T:
    """Return the result of *work*, which uses the vendor's connection in its own way."""
    return transport._call(name, work, None)


def _vendor_connection() -> Any:
    try:
        return import_whole("teamwire_api").Connection
    # A package that does not fit this version of Python may raise anything.
    except not_by_signal(Exception) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "teamwire_api"
        problem = "is not installed" if missing else f"can't be imported ({cause_of(error)})"
    message = (
        f"the vendor's SDK {problem}: teamwire_sync needs the package teamwire_api in this "
        f"Python ({sys.executable}). It comes from Teamwire, not from PyPI: see "
        "https://sdk.teamwire.eu and docs/connect.md"
    )
    raise TWConfigError(message)


async def _write(call: Call[Any], method: Any, **arguments: Any) -> Any:
    """Call the vendor's *method*, which changes something on the server."""
    # Empty arguments are omitted: an older version may not accept them.
    given = {name: value for name, value in arguments.items() if value not in (None, [], "")}
    unknown = _unknown_to(method, given)
    if unknown:
        message = f"{call.name} of this version of the vendor's SDK has no {', '.join(unknown)}"
        raise TWUnsupportedError(message)
    call.mark_sent()
    return await method(**given)


def _unknown_to(method: Any, arguments: dict[str, Any]) -> list[str]:
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):  # Python can't inspect this callable
        return []
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return [] if takes_any else sorted(arguments.keys() - parameters.keys())


async def _or_none(get: Callable[[str], Coroutine[Any, Any, Any]], identifier: str) -> Any:
    try:
        return await get(identifier)
    except Exception as error:
        if kind_of(error) is TWNotFoundError:
            return None
        raise


async def _existing(
    get: Callable[[str], Coroutine[Any, Any, Any]], identifier: str, missing: str
) -> Any:
    theirs = await _or_none(get, identifier)
    if not theirs:
        raise TWNotFoundError(missing, code="not_found")
    return theirs


async def _read_again(get: Callable[[str], Coroutine[Any, Any, Any]], gid: str) -> Any:
    try:
        return await get(gid)
    except Exception as error:
        # `translate` adds to these errors that the change may have been done.
        if is_lasting(error):
            raise
        cause = cause_of(error)
    # A documented error of the read would look like an error of the change.
    message = f"group: it was changed, but could not be read again: {cause}; {_MEMBERS_HINT}"
    raise TWDeliveryUnknownError(message, cause=cause)


async def _look_up_members(
    vendor: Any, user_ids: Sequence[str], group_ids: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the vendor's users and groups by these IDs.

    Raises:
        TWInvalidMembersError: A user or group does not exist, or the bot can't see it.
    """
    users = await _look_up(vendor.users.get_user, user_ids)
    groups = await _look_up(vendor.groups.get_group, group_ids)
    no_users = [uid for uid, theirs in users.items() if not theirs]
    no_groups = [gid for gid, theirs in groups.items() if not theirs]
    if no_users or no_groups:
        named = ", ".join(map(repr, [*no_users, *no_groups]))
        message = f"these users or groups do not exist, or the bot can't see them: {named}"
        raise TWInvalidMembersError(
            message, user_ids=no_users, group_ids=no_groups, code="invalid_members"
        )
    return users, groups


async def _look_up(
    get: Callable[[str], Coroutine[Any, Any, Any]], ids: Sequence[str]
) -> dict[str, Any]:
    few = asyncio.Semaphore(_MAX_LOOKUPS)

    async def find(identifier: str) -> Any:
        async with few:
            try:
                return await _or_none(get, identifier)
            # As in `Call.run`: an error that is not an Exception would end the event loop.
            except BaseException as error:  # noqa: BLE001
                return error

    # Wait for all look-ups, also after a failure: none may run on after the call has ended.
    found = await asyncio.gather(*map(find, ids), return_exceptions=True)
    for theirs in found:
        if isinstance(theirs, BaseException):
            raise theirs
    return dict(zip(ids, found))


def _their_alert_type(chat: Any, alert_type: AlertType | None) -> Any:
    # ALERT is the vendor's default.
    if alert_type is None or alert_type.name == "ALERT":
        return None
    # The vendor documents Chat and AlertType in the same module.
    module = sys.modules.get(type(chat).__module__)
    kind = getattr(getattr(module, "AlertType", None), alert_type.name, None)
    if kind is None:
        message = f"this version of the vendor's SDK has no AlertType {alert_type.name}"
        raise TWUnsupportedError(message)
    return kind
