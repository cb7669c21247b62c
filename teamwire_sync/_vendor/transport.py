"""VendorTransport: the vendor's async SDK as a transport."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TypeVar

from teamwire_sync._internal.deadlines import within
from teamwire_sync._internal.validation import check_seconds, require_id
from teamwire_sync._transport import Ability, ChatPage
from teamwire_sync._vendor.errors import cause_of, documented, is_lasting
from teamwire_sync._vendor.loop_thread import VendorThread
from teamwire_sync._vendor.models import Converter
from teamwire_sync._vendor.unsupported import LimitedTransport
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
    from teamwire_sync._transport import ChatDraft, MemberEdit, MessageDraft
    from teamwire_sync._vendor.calls import Call

T = TypeVar("T")

# Chats converted before other calls have their turn.
_AT_ONCE = 200
# Users or groups looked up at the same time.
_SIDE_BY_SIDE = 8

_LISTS_IT = "connection.chats.get_subscriptions(refresh=True) lists the chat if it was made"
_SHOWS_IT = "the chat has the message in any of the Teamwire apps if it was posted"
_HAS_THEM = "connection.groups.get_group(gid) has the members as they are"


class VendorTransport(LimitedTransport):
    """The vendor's own async SDK, ``teamwire_api``, behind blocking calls.

    It uses what the vendor documents of versions 1.4 to 1.8, and nothing else. The SDK runs on a
    thread of its own, which begins with the first call, so it does not matter whether an event loop
    runs where the calls come from.

    Args:
        connection_factory: Makes the vendor's connection; ``teamwire_api.Connection`` when None.
            How that finds its credentials is the vendor's to say.
        total_timeout: Seconds that a call may take which has no time-out of its own.
        bot: Names the bot in a store; see `Connection.from_vendor`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: *total_timeout* is out of range.
        TWConfigError: The vendor's SDK can't be imported; the text says what to do.
    """

    why = "what is published of the vendor's SDK does not say how"

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
            made = " that is made already" if hasattr(connection_factory, "exec_async") else ""
            message = (
                "connection_factory must be callable, such as the class teamwire_api.Connection, "
                f"not {type(connection_factory).__name__}{made}"
            )
            raise TypeError(message)
        check_seconds("total_timeout", total_timeout)
        self.identity = None if bot is None else f"vendor {require_id(bot, 'bot')}"
        self.on_unauthorized: Callable[[], None] = lambda: None
        self._total_timeout = total_timeout
        self._thread = VendorThread(connection_factory)

    def get_me(self, *, deadline: float | None) -> NoReturn:  # noqa: ARG002  the protocol's
        """Raises `TWUnsupportedError`: the vendor documents no way."""
        hint = "; connection.chats.get_subscriptions() shows as well that all settings are right"
        self._refuse(Ability.OWN_USER, hint)

    # Chats

    def iter_chat_pages(
        self,
        *,
        validator: str | None,  # noqa: ARG002  without Ability.VALIDATORS
        deadline: float | None,
    ) -> Iterator[ChatPage]:
        """All the chats of the bot, on one page."""

        async def work(vendor: Any, _call: Call[ChatPage]) -> ChatPage:
            converter = Converter()
            chats: list[Chat] = []
            # A list of our own: the vendor's may change while other calls have their turn.
            for theirs in list(await vendor.chats.get_subscriptions() or ()):
                chats.append(converter.chat(theirs))
                if not len(chats) % _AT_ONCE:
                    await asyncio.sleep(0)  # other calls want the loop, too
            users, groups = converter.described()
            return ChatPage(chats, users=users, groups=groups)

        try:
            page = self._call("chats.get_subscriptions", work, deadline)
        except TWAuthError:
            # A bot may list its own chats: so these are the credentials.
            self.on_unauthorized()
            raise
        yield page

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> Chat:
        """Make a chat."""
        arguments = _given(
            title=draft.title,
            message=draft.message,
            allow_sending=None if draft.allow_sending else False,
            allow_mute_notifications=None if draft.allow_mute_notifications else False,
            is_alert=draft.is_alert or None,
        )

        async def work(vendor: Any, call: Call[Chat]) -> Chat:
            users = await _found(vendor.users.get_user, draft.user_ids)
            groups = await _found(vendor.groups.get_group, draft.group_ids)
            _require_all(draft.user_ids, users, draft.group_ids, groups)
            arguments.update(_given(users=list(users.values()), groups=list(groups.values())))
            _require_known(vendor.chats.create_chat, "chats.create_chat", arguments)
            call.sending()
            return Converter().chat(await vendor.chats.create_chat(**arguments))

        try:
            return self._call("chats.create_chat", work, deadline, find_out=_LISTS_IT)
        except TWAuthError as error:
            if draft.group_ids and error.code != "unauthorized":
                error.args = (f"{error}; a bot can use circles only where these are public",)
            raise

    # Messages

    def post_message(
        self, chat: Chat | ChatHandle, draft: MessageDraft, *, deadline: float | None
    ) -> Message:
        """Post in a chat.

        The vendor does not document whether it tells the id of the message: `Message.mid` is empty
        where it does not.
        """
        if draft.attachments:
            self._refuse(Ability.ATTACHMENTS)
        arguments = _given(
            message=draft.message,
            is_alert=draft.is_alert or None,
            reply_to=draft.reply_to,
            sender_display_name=draft.sender_display_name,
        )

        async def work(vendor: Any, call: Call[Message]) -> Message:
            theirs = await _or_none(vendor.chats.get_by_thread_id, chat.tid)
            if not theirs:
                message = f"chat.post: there is no chat {chat.tid!r}, or the bot is not in it"
                raise TWNotFoundError(message, code="not_found")
            if draft.alert_type is not None and draft.alert_type.name != "ALERT":
                arguments["alert_type"] = _their_alert_type(theirs, draft.alert_type)
            _require_known(theirs.post, "chat.post", arguments)
            call.sending()
            return Converter().message(await theirs.post(**arguments), chat, draft)

        return self._call("chat.post", work, deadline, find_out=_SHOWS_IT)

    # The directory

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        """One user, or None."""

        async def work(vendor: Any, _call: Call[User | None]) -> User | None:
            theirs = await _or_none(vendor.users.get_user, uid)
            return Converter().user(theirs) if theirs else None

        return self._call("users.get_user", work, deadline)

    def get_avatar(self, uid: str, *, deadline: float | None) -> bytes:
        """The picture of a user."""

        async def work(vendor: Any, _call: Call[bytes]) -> bytes:
            theirs = await _or_none(vendor.users.get_user, uid)
            if not theirs:
                message = f"user.load_avatar: there is no user {uid!r}"
                raise TWNotFoundError(message, code="not_found")
            return bytes(await theirs.load_avatar())

        return self._call("user.load_avatar", work, deadline)

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        """One circle or list with its members, or None."""

        async def work(vendor: Any, _call: Call[Group | None]) -> Group | None:
            theirs = await _or_none(vendor.groups.get_group, gid)
            return Converter().whole_group(theirs) if theirs else None

        return self._call("groups.get_group", work, deadline)

    def edit_group_members(self, gid: str, edit: MemberEdit, *, deadline: float | None) -> Group:
        """Change who is in a list."""

        async def work(vendor: Any, call: Call[Group]) -> Group:
            theirs = await _or_none(vendor.groups.get_group, gid)
            if not theirs:
                message = f"group: there is no group {gid!r}, or the bot can't see it"
                raise TWNotFoundError(message, code="not_found")
            ids = (*edit.add_users, *edit.remove_users)
            users = await _found(vendor.users.get_user, ids)
            _require_all(ids, users)
            call.sending()
            for change, uids in (
                (theirs.add_members, edit.add_users),
                (theirs.remove_members, edit.remove_users),
            ):
                if uids:
                    await change([users[uid] for uid in uids])
            return Converter().whole_group(await _read_again(vendor.groups.get_group, gid))

        return self._call("group.add_members or remove_members", work, deadline, find_out=_HAS_THEM)

    def close(self) -> None:
        """Leave the vendor's connection and end its thread; may be called twice."""
        self._thread.close()

    def __repr__(self) -> str:
        return "<VendorTransport>"

    def __reduce__(self) -> NoReturn:
        message = "a VendorTransport can't be pickled or copied: make one in each process"
        raise TypeError(message)

    def _call(
        self,
        what: str,
        work: Callable[[Any, Call[T]], Coroutine[Any, Any, T]],
        deadline: float | None,
        *,
        find_out: str = "",
    ) -> T:
        if deadline is None:
            deadline = within(None, self._total_timeout)
        try:
            return self._thread.call(what, work, deadline=deadline, find_out=find_out)
        except TWAuthError as error:
            if error.code == "unauthorized":
                self.on_unauthorized()
            raise


def _vendor_connection() -> Callable[[], Any]:
    try:
        from teamwire_api import Connection  # type: ignore[import-not-found]  # noqa: PLC0415
    # A package and a Python that are too far apart in age fail in any way.
    except Exception as error:  # noqa: BLE001
        missing = isinstance(error, ModuleNotFoundError) and error.name == "teamwire_api"
        problem = "is not installed" if missing else f"can't be imported ({cause_of(error)})"
    else:
        connection: Callable[[], Any] = Connection
        return connection
    message = (
        f"the vendor's SDK {problem}: VendorTransport needs the package teamwire_api in this "
        f"Python ({sys.executable}). It comes from Teamwire, not from PyPI: see "
        "https://sdk.teamwire.eu"
    )
    raise TWConfigError(message)


def _given(**arguments: Any) -> dict[str, Any]:
    """Those that say something: an older version may not know the others."""
    return {name: value for name, value in arguments.items() if value not in (None, [], "")}


def _require_known(method: Any, what: str, arguments: dict[str, Any]) -> None:
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # it can't be told
        return
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    unknown = sorted(set(arguments) - {parameter.name for parameter in parameters})
    if unknown:
        message = f"{what} of this version of the vendor's SDK has no {', '.join(unknown)}"
        raise TWUnsupportedError(message)


async def _or_none(get: Callable[[str], Coroutine[Any, Any, Any]], identifier: str) -> Any:
    try:
        return await get(identifier)
    except Exception as error:
        if documented(error) is TWNotFoundError:
            return None
        raise


async def _read_again(get: Callable[[str], Coroutine[Any, Any, Any]], gid: str) -> Any:
    try:
        return await get(gid)
    except Exception as error:
        # The others say of themselves that all may have been done.
        if is_lasting(error):
            raise
        cause = cause_of(error)
    # What is documented would pass for what came of the change.
    message = f"group: it was changed, but then it could not be read: {cause}; {_HAS_THEM}"
    raise TWDeliveryUnknownError(message, cause=cause)


async def _found(
    get: Callable[[str], Coroutine[Any, Any, Any]], ids: Sequence[str]
) -> dict[str, Any]:
    """The vendor's objects of those of *ids* that there are."""
    few = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def find(identifier: str) -> Any:
        async with few:
            try:
                return await _or_none(get, identifier)
            except asyncio.CancelledError:
                raise
            # As in `Call.run`: in a task of its own it would end the loop.
            except BaseException as error:  # noqa: BLE001
                return error

    # All of them end here, also when one fails: none is left to run on its own.
    found = await asyncio.gather(*map(find, ids), return_exceptions=True)
    for theirs in found:
        if isinstance(theirs, BaseException):
            raise theirs
    return {identifier: theirs for identifier, theirs in zip(ids, found) if theirs}


def _require_all(
    user_ids: Sequence[str],
    users: dict[str, Any],
    group_ids: Sequence[str] = (),
    groups: dict[str, Any] | None = None,
) -> None:
    no_users = [uid for uid in user_ids if uid not in users]
    no_groups = [gid for gid in group_ids if gid not in (groups or {})]
    if no_users or no_groups:
        named = ", ".join(map(repr, [*no_users, *no_groups]))
        message = f"these do not exist, or the bot can't see them: {named}"
        raise TWInvalidMembersError(
            message, user_ids=no_users, group_ids=no_groups, code="invalid_members"
        )


def _their_alert_type(chat: Any, alert_type: AlertType) -> Any:
    # Chat and AlertType are documented as of the same module.
    module = sys.modules.get(type(chat).__module__)
    kinds = getattr(module, "AlertType", None)
    kind = getattr(kinds, alert_type.name, None)
    if kind is None:
        message = f"this version of the vendor's SDK has no AlertType {alert_type.name}"
        raise TWUnsupportedError(message)
    return kind
