"""Conversion of JSON to chats, messages, users and groups."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from teamwire_sync._http.contract.attachments import decode_attachments
from teamwire_sync._internal.fields import (
    ARRAY,
    FLAG,
    NUMBER,
    OBJECT,
    OPTIONAL,
    OPTIONAL_OBJECT,
    REVISION,
    STRING,
    Fields,
    checked,
    checked_cursor,
    checked_revisions,
    checked_time,
    extra_of,
    is_revision,
    is_time,
    rest_of,
    unknown,
)
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._models.chats import (
    UNREADABLE,
    Chat,
    ChatHandle,
    ChatType,
    FillableChat,
    Message,
)
from teamwire_sync._models.messages import AlertType, LinkPreview
from teamwire_sync._models.people import Bot, Group, GroupTuple, LoggedInUser, User, UserTuple
from teamwire_sync._transport import ChatState
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T")
UserT = TypeVar("UserT", bound=User)

_USER: Fields = {
    "uid": STRING,
    "first_name": STRING,
    "last_name": STRING,
    "organisation": OPTIONAL,
    "is_bot": FLAG,
    "has_avatar": FLAG,
}
_GROUP: Fields = {
    "gid": STRING,
    "title": STRING,
    "owner_id": OPTIONAL,
    "is_circle": FLAG,
    "is_list": FLAG,
    "is_public": FLAG,
}
_CHAT: Fields = {
    "tid": STRING,
    "title": OPTIONAL,
    "type": STRING,
    "user_ids": ARRAY,
    "group_ids": ARRAY,
    "admin_ids": ARRAY,
    "is_alert": FLAG,
    "allow_sending": FLAG,
    "allow_mute_notifications": FLAG,
    "is_closed": FLAG,
}
# The values of the fields that can't be decoded. All other fields are necessary: the IDs, and a
# chat's title, because a program creates a chat if it finds none with the title.
_USER_DEFAULTS = {
    "first_name": "",
    "last_name": "",
    "organisation": None,
    "is_bot": False,
    "has_avatar": None,
}
_GROUP_DEFAULTS = {
    "title": "",
    "owner_id": None,
    "is_circle": False,
    "is_list": False,
    "is_public": False,
}
_CHAT_DEFAULTS = {
    "type": ChatType.GROUP.value,
    "user_ids": [],
    "group_ids": [],
    "admin_ids": [],
    "is_alert": False,
    "allow_sending": True,
    "allow_mute_notifications": True,
    "is_closed": False,
}
_UNREADABLE = {"tid": UNREADABLE, "title": None, **_CHAT_DEFAULTS}
_MESSAGE_DEFAULTS = {
    "tid": "",
    "from_user_id": "",
    "timestamp": 0,
    "message": None,
    "is_alert": False,
    "alert_type": None,
    "reply_to": None,
    "sender_display_name": None,
    "deleted": False,
    "attachments": [],
    "link_preview": None,
}
# A server without revisions omits the field.
_NUMBERED_CHAT: Fields = {**_CHAT, REVISION: NUMBER}
_MESSAGE: Fields = {
    "mid": STRING,
    "tid": STRING,
    "from_user_id": STRING,
    "timestamp": NUMBER,
    "message": OPTIONAL,
    "is_alert": FLAG,
    "alert_type": OPTIONAL,
    "reply_to": OPTIONAL,
    "sender_display_name": OPTIONAL,
    "deleted": FLAG,
    "attachments": ARRAY,
    "link_preview": OPTIONAL_OBJECT,
}
_LINK_PREVIEW: Fields = {
    "url": STRING,
    "title": OPTIONAL,
    "description": OPTIONAL,
    "image": OPTIONAL,
    "domain": STRING,
}
_CHAT_PAGE: Fields = {
    "chats": ARRAY,
    "users": ARRAY,
    "groups": ARRAY,
    "next_cursor": OPTIONAL,
}
_CHANGES: Fields = {"gone": ARRAY, "total": NUMBER}
_MESSAGE_PAGE: Fields = {"messages": ARRAY, "users": ARRAY, "next_before": OPTIONAL}
_USER_PAGE: Fields = {"users": ARRAY, "next_cursor": OPTIONAL}
_GROUP_PAGE: Fields = {"groups": ARRAY, "users": ARRAY, "next_cursor": OPTIONAL}
_BESIDE = ("chats", "users", "groups")
_NOTHING: list[Any] = []
_chat_fields = itemgetter(*_CHAT)
_CHAT_TYPES = {kind.value: kind for kind in ChatType}


class Decoder:
    """A converter of responses to models, with one object for each user and each group.

    If responses describe a user or a group differently, the first description counts. This is
    correct for the pages of a listing: either all pages show the same moment, or each page may show
    any moment between the start and the end of the listing.

    Args:
        tell: A callback that receives the fault of an object, without texts and IDs. The decoder
            then returns what it can decode of the object, or leaves the object out. None: the
            decoder raises `TWProtocolError`.
    """

    def __init__(self, tell: Callable[[str], object] | None = None) -> None:
        self._tell = tell
        self._users: dict[str, User] = {}
        self._groups: dict[str, Group] = {}
        self._alone: dict[str, UserTuple] = {}
        self._new: tuple[list[User], list[Group]] = [], []

    def described(self) -> tuple[list[User], list[Group]]:
        """Return the users and groups that were first described since the last call."""
        new, self._new = self._new, ([], [])
        return new

    def one(self, raw: Any, decode: Callable[[Any], T], rest: Callable[[Any], T]) -> T:
        """Return the result of *decode* for *raw*. If *raw* has a fault, return that of *rest*."""
        try:
            return decode(raw)
        except not_by_signal(TWProtocolError) as error:
            if self._tell is None:
                raise
            fault = str(error)
        found = rest(raw)
        self._tell(f"{fault}; only the rest of it is used")
        return found

    def each(self, raws: Iterable[Any], decode: Callable[[Any], T]) -> list[T]:
        """Return the results of *decode* for *raws*, without those that can't be decoded."""
        found = []
        for raw in raws:
            try:
                found.append(decode(raw))
            except not_by_signal(TWProtocolError) as error:  # noqa: PERF203  one fault costs one object
                if self._tell is None:
                    raise
                self._tell(f"{error}; it is left out")
        return found

    def answer(self, document: Any, kind: str, fields: Fields, what: str) -> dict[str, Any]:
        """Return *document* after a check of its *fields*.

        It describes users, groups and chats beside its subject, the field *what*. An array of
        those that is missing or malformed is empty.
        """
        beside = {name: _NOTHING for name in _BESIDE if name in fields and name != what}
        return self.one(
            document,
            lambda raw: checked(raw, kind, fields),
            lambda raw: rest_of(raw, kind, fields, beside),
        )

    def checked_page(
        self, document: Any, kind: str, fields: Fields, what: str, name: str = "next_cursor"
    ) -> tuple[dict[str, Any], str | None]:
        """Return the result of `answer` for the page *document*, and its cursor *name*."""
        page = self.answer(document, kind, fields, what)
        return page, checked_cursor(page, name, kind)

    def page(self, document: Any) -> tuple[list[Chat], Sequence[int | None], str | None]:
        """Return the chats of a page, their revisions, and the cursor of the next page or None."""
        page, cursor = self.checked_page(document, "a page of chats", _CHAT_PAGE, "chats")
        chats, revisions = self.one(
            page["chats"],
            lambda raws: self.chats(raws, page),
            lambda raws: self.chats([raw if _is_named(raw) else _UNREADABLE for raw in raws], page),
        )
        return chats, revisions, cursor

    def changes(
        self, document: Any
    ) -> tuple[list[Chat], Sequence[int | None], str | None, list[str] | None, int | None]:
        """Return the result of `page`, the thread IDs that are gone, and the number of all chats.

        The thread IDs are None if the page belongs to a listing of all the chats. Then the number
        may be None. With a callback for faults, the number is -1 if one of the two is malformed on
        a page of changes: then the cache lists all the chats.
        """
        page = self.page(document)
        if document.get("gone") is None:
            total = document.get("total")
            return (*page, None, total if type(total) is int and total >= 0 else None)
        found = self.one(document, _whole_changes, lambda _: {"gone": [], "total": -1})
        return (*page, found["gone"], found["total"])

    def chat(self, document: Any) -> ChatState:
        """Return the state of a chat, with the users and groups that the chat names."""
        fields = {"chat": OBJECT, "users": ARRAY, "groups": ARRAY}
        answer = self.answer(document, "the answer", fields, "chat")
        (chat,), revisions = self.chats([answer["chat"]], answer)
        return ChatState(chat.tid, chat, *revisions)

    def message(self, document: Any, chat: Chat | ChatHandle) -> Message:
        """Return a message of *chat*."""
        fields = {"message": OBJECT, "users": ARRAY}
        answer = self.answer(document, "the answer", fields, "message")
        self.learn(answer["users"], [])
        return self._message(answer["message"], chat)

    def messages(self, document: Any, chat: Chat | ChatHandle) -> tuple[list[Message], str | None]:
        """Return the messages of a page, and the ``before`` of the next page or None."""
        page, before = self.checked_page(
            document, "a page of messages", _MESSAGE_PAGE, "messages", "next_before"
        )
        self.learn(page["users"], [])
        return self.each(page["messages"], lambda raw: self._message(raw, chat)), before

    def _message(self, raw: Any, chat: Chat | ChatHandle) -> Message:
        return self.one(
            raw,
            lambda raw: self.one_message(raw, chat),
            lambda raw: self.one_message(self._rest_of_message(raw), chat),
        )

    def _rest_of_message(self, raw: Any) -> dict[str, Any]:
        rest = rest_of(raw, "a message", _MESSAGE, _MESSAGE_DEFAULTS)
        # The author may no longer exist.
        self._users.setdefault(rest["from_user_id"], User(rest["from_user_id"], "", ""))
        if not is_time(rest["timestamp"]):
            rest["timestamp"] = 0
        rest["attachments"] = [each for each in rest["attachments"] if _is_attachment(each)]
        if not _is_link_preview(rest["link_preview"]):
            rest["link_preview"] = None
        return rest

    def one_message(self, raw: Any, chat: Chat | ChatHandle) -> Message:
        """Return a message of *chat*, whose author a response has described before."""
        checked(raw, "a message", _MESSAGE)
        alert_type, preview = raw["alert_type"], raw["link_preview"]
        return Message(
            chat=chat,
            mid=raw["mid"],
            from_user=self.named_user(raw["from_user_id"], "a message"),
            timestamp=checked_time(raw, "timestamp", "a message"),
            msg=raw["message"],
            is_alert=raw["is_alert"],
            alert_type=None if alert_type is None else AlertType(alert_type),
            reply_to=raw["reply_to"],
            sender_display_name=raw["sender_display_name"],
            deleted=raw["deleted"],
            attachments=decode_attachments(raw["attachments"]),
            link_preview=None if preview is None else _link_preview(preview),
            extra=extra_of(raw, _MESSAGE),
        )

    def users(self, document: Any) -> tuple[list[User], str | None]:
        """Return the users of a page, and the cursor of the next page or None."""
        page, cursor = self.checked_page(document, "a page of users", _USER_PAGE, "users")
        return self.each(page["users"], self._user), cursor

    def groups(self, document: Any) -> tuple[list[Group], str | None]:
        """Return the groups of a page, and the cursor of the next page or None."""
        page, cursor = self.checked_page(document, "a page of groups", _GROUP_PAGE, "groups")
        self.learn(page["users"], [])
        return self.each(page["groups"], self._group), cursor

    def user(self, document: Any) -> User:
        """Return a user."""
        return self._user(checked(document, "the answer", {"user": OBJECT})["user"])

    def me(self, document: Any) -> LoggedInUser:
        """Return the bot's own user."""
        answer = checked(document, "the answer", {"user": OBJECT})
        return self.one(
            answer["user"],
            lambda raw: _make_user(LoggedInUser, checked(raw, "a user", _USER)),
            lambda raw: _make_user(LoggedInUser, rest_of(raw, "a user", _USER, _USER_DEFAULTS)),
        )

    def group(self, document: Any) -> Group:
        """Return a group with its members.

        Raises:
            TWProtocolError: It is not known who the members are. A program may remove those who
                are missing.
        """
        fields = {"group": OBJECT, "users": ARRAY, "user_ids": ARRAY}
        answer = checked(document, "the answer", fields)
        self.learn(answer["users"], [])
        members = self.named_users(answer["user_ids"], "a group")
        return self._group(answer["group"], members)

    def learn(self, raw_users: list[Any], raw_groups: list[Any]) -> None:
        """Store the users and groups that a response describes."""
        users, groups = self._users, self._groups
        for user in self.each(unknown(raw_users, "uid", users), self._user):
            if users.setdefault(user.uid, user) is user:
                self._alone[user.uid] = UserTuple((user,))
                self._new[0].append(user)
        for group in self.each(unknown(raw_groups, "gid", groups), self._group):
            if groups.setdefault(group.gid, group) is group:
                self._new[1].append(group)

    def _user(self, raw: Any) -> User:
        return self.one(raw, _whole_user, _rest_of_user)

    def _group(self, raw: Any, members: tuple[User, ...] | None = None) -> Group:
        return self.one(
            raw,
            lambda raw: self._whole_group(checked(raw, "a group", _GROUP), members),
            lambda raw: self._whole_group(self._rest_of_group(raw), members),
        )

    def _rest_of_group(self, raw: Any) -> dict[str, Any]:
        rest = rest_of(raw, "a group", _GROUP, _GROUP_DEFAULTS)
        if rest["owner_id"] not in self._users:
            rest["owner_id"] = None
        return rest

    def _whole_group(self, raw: Any, members: tuple[User, ...] | None) -> Group:
        owner = raw["owner_id"]
        return Group(
            raw["gid"],
            raw["title"],
            None if owner is None else self.named_user(owner, "a group"),
            raw["is_circle"],
            raw["is_list"],
            raw["is_public"],
            members,
            extra_of(raw, _GROUP),
        )

    def chats(
        self, raws: list[Any], answer: Mapping[str, Any]
    ) -> tuple[list[Chat], Sequence[int | None]]:
        """Return the chats in *raws* and their revisions.

        The response *answer* describes the users and groups of the chats.

        Raises:
            TWProtocolError: A chat has a fault. With a callback for faults: it has no thread ID or
                no title field.
        """

        def rest(raws: list[Any]) -> tuple[list[Chat], Sequence[int | None]]:
            self.learn(answer["users"], answer["groups"])
            return self._whole_chats([self._rest_of_chat(raw) for raw in raws], answer)

        return self.one(raws, lambda raws: self._whole_chats(raws, answer), rest)

    def _rest_of_chat(self, raw: Any) -> dict[str, Any]:
        rest = rest_of(raw, "a chat", _CHAT, _CHAT_DEFAULTS)
        for name, known in (
            ("user_ids", self._users),
            ("admin_ids", self._users),
            ("group_ids", self._groups),
        ):
            rest[name] = [each for each in rest[name] if type(each) is str and each in known]
        if not is_revision(rest.get(REVISION)):
            rest.pop(REVISION, None)
        return rest

    def _whole_chats(
        self, raws: list[Any], answer: Mapping[str, Any]
    ) -> tuple[list[Chat], Sequence[int | None]]:
        chats: list[Chat] = []
        revisions = checked_revisions(raws, "a chat")
        fields = _NUMBERED_CHAT if revisions and None not in revisions else _CHAT
        self._decode_chats(raws, chats, len(fields))
        if len(chats) < len(raws):
            # Most pages describe nobody new. Decoding the chats first finds that out faster than
            # a search through the descriptions.
            self.learn(answer["users"], answer["groups"])
            self._decode_chats(raws[len(chats) :], chats, len(fields))
        if len(chats) < len(raws):
            self._explain_chat(raws[len(chats)])
        return chats, revisions

    def _decode_chats(self, raws: Iterable[Any], chats: list[Chat], size: int) -> None:
        """Append decoded chats to *chats*, up to the first chat that can't be decoded.

        A chat with *size* fields has no unknown field.
        """
        # This loop checks each field of each chat. Function calls would cost more than the checks.
        user, group, alone = self._users.__getitem__, self._groups.__getitem__, self._alone
        kinds, new = _CHAT_TYPES, FillableChat.__new__
        plain, numbered = _CHAT, _NUMBERED_CHAT
        # The constructors of these classes are slower.
        make, no_users, no_groups = tuple.__new__, UserTuple(), GroupTuple()
        for raw in raws:
            chat = None
            try:
                (
                    tid, title, kind, user_ids, group_ids, admin_ids,
                    is_alert, allow_sending, allow_mute_notifications, is_closed,
                ) = _chat_fields(raw)  # fmt: skip
                if (
                    type(tid) is str
                    and (type(title) is str or title is None)
                    and type(kind) is str
                    and type(user_ids) is list
                    and type(group_ids) is list
                    and type(admin_ids) is list
                    and (is_alert is True or is_alert is False)
                    and (allow_sending is True or allow_sending is False)
                    and (allow_mute_notifications is True or allow_mute_notifications is False)
                    and (is_closed is True or is_closed is False)
                ):
                    users = (
                        alone[user_ids[0]]
                        if len(user_ids) == 1
                        else make(UserTuple, map(user, user_ids)) or no_users
                    )
                    admins = (
                        alone[admin_ids[0]]
                        if len(admin_ids) == 1
                        else make(UserTuple, map(user, admin_ids)) or no_users
                    )
                    chat = new(FillableChat)
                    chat.tid = tid
                    chat.title = title
                    chat.type = kinds[kind] if kind in kinds else ChatType(kind)
                    chat.users = users
                    chat.groups = (
                        make(GroupTuple, map(group, group_ids)) if group_ids else no_groups
                    )
                    chat.admins = admins
                    chat.is_alert = is_alert
                    chat.allow_sending = allow_sending
                    chat.allow_mute_notifications = allow_mute_notifications
                    chat.is_closed = is_closed
                    chat._extra = (
                        ()
                        if len(raw) == size
                        else extra_of(raw, numbered if REVISION in raw else plain)
                    )
                    chat.__class__ = Chat
            except not_by_signal(KeyError, TypeError):
                chat = None
            if chat is None:
                return
            chats.append(chat)

    def _explain_chat(self, raw: Any) -> NoReturn:
        checked(raw, "a chat", _CHAT)
        self.named_users(raw["user_ids"], "a chat")
        self.named_groups(raw["group_ids"], "a chat")
        self.named_users(raw["admin_ids"], "a chat")
        message = "a chat can't be read"
        raise TWProtocolError(message)

    def known_user(self, uid: str | None) -> User | None:
        """Return the user *uid*, or None if no response has described the user."""
        return None if uid is None else self._users.get(uid)

    def named_user(self, uid: Any, whose: str) -> User:
        """Return the described user *uid*; *whose* names the referring object in an error."""
        return _named(self._users, uid, f"{whose} names a user")

    def named_users(self, uids: Iterable[Any], whose: str) -> tuple[User, ...]:
        """Return the described users *uids*; *whose* names the referring object in an error."""
        return tuple([self.named_user(uid, whose) for uid in uids])

    def named_groups(self, gids: Iterable[Any], whose: str) -> tuple[Group, ...]:
        """Return the described groups *gids*; *whose* names the referring object in an error."""
        return tuple([_named(self._groups, gid, f"{whose} names a group") for gid in gids])


def _is_named(raw: Any) -> bool:
    """Return whether look-ups can find the chat *raw*."""
    with suppress(TWProtocolError):
        return bool(rest_of(raw, "a chat", _CHAT, _CHAT_DEFAULTS)["tid"])
    return False


def _whole_changes(raw: Any) -> dict[str, Any]:
    changes = checked(raw, "a page of changes", _CHANGES)
    if not {*map(type, changes["gone"])} <= {str}:
        message = '"gone" of a page of changes has a value that is not a string'
        raise TWProtocolError(message)
    return changes


def _named(known: Mapping[str, T], identifier: Any, what: str) -> T:
    try:
        return known[identifier]
    except not_by_signal(KeyError, TypeError):
        pass
    message = f"{what} that the answer does not describe"
    raise TWProtocolError(message)


def _whole_user(raw: Any) -> User:
    checked(raw, "a user", _USER)
    return _make_user(Bot if raw["is_bot"] else User, raw)


def _rest_of_user(raw: Any) -> User:
    rest = rest_of(raw, "a user", _USER, _USER_DEFAULTS)
    return _make_user(Bot if rest["is_bot"] else User, rest)


def _make_user(cls: type[UserT], raw: Mapping[str, Any]) -> UserT:
    return cls(
        raw["uid"],
        raw["first_name"],
        raw["last_name"],
        raw["organisation"],
        raw["is_bot"],
        raw["has_avatar"],
        extra_of(raw, _USER),
    )


def _link_preview(raw: Any) -> LinkPreview:
    checked(raw, "a link preview", _LINK_PREVIEW)
    return LinkPreview(
        raw["url"],
        raw["title"],
        raw["description"],
        raw["image"],
        raw["domain"],
        extra_of(raw, _LINK_PREVIEW),
    )


def _is_link_preview(raw: Any) -> bool:
    with suppress(TWProtocolError):
        return raw is None or bool(_link_preview(raw))
    return False


def _is_attachment(raw: Any) -> bool:
    with suppress(TWProtocolError):
        return bool(decode_attachments([raw]))
    return False


def decode_chat(document: Any) -> Chat:
    """Return the chat in *document*, with the users and groups that it names."""
    return cast("Chat", Decoder().chat(document).chat)


def decode_upload(document: Any) -> str:
    """Return the attachment ID of an uploaded file."""
    return str(checked(document, "the answer", {"attachment_id": STRING})["attachment_id"])


def decode_done(document: Any) -> None:
    """Check the response to a write that returns no data."""
    checked(document, "the answer", {})
