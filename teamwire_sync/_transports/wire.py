"""The REST contract: paths, and JSON to models and back. Nothing else knows it.

The contract is this project's own, since Teamwire's bot protocol is not public; docs/openapi.yaml
is its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

from attrs import frozen

from teamwire_sync._models import (
    AlertType,
    Bot,
    Chat,
    ChatHandle,
    ChatType,
    FillableChat,
    Group,
    LoggedInUser,
    Message,
    User,
)
from teamwire_sync._transports.strict_json import SMALL, decode_json
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._transports.base import ChatDraft

UserT = TypeVar("UserT", bound=User)


@frozen
class Operation:
    """A request that the contract knows.

    Attributes:
        method: The HTTP method.
        path: The path, with names in braces for what differs.
    """

    method: str
    path: str

    def path_for(self, **ids: str) -> str:
        """The path with each id in its place, quoted.

        Raises:
            ValueError: An id can't stand in a path.
        """
        for name, value in ids.items():
            # A dot segment is resolved on the way, whether quoted or not.
            if value in {"", ".", ".."} or not _encodes(value):
                message = f"{value!r} is no {name}"
                raise ValueError(message)
        return self.path.format_map({name: quote(value, safe="") for name, value in ids.items()})

    @property
    def writes(self) -> bool:
        """Whether doing it twice differs from doing it once."""
        return self.method != "GET"


OPERATIONS = {
    "get_me": Operation("GET", "/v1/bot/me/"),
    "list_chats": Operation("GET", "/v1/bot/chats/"),
    "create_chat": Operation("POST", "/v1/bot/chats/"),
    "post_message": Operation("POST", "/v1/bot/chats/{tid}/messages/"),
    "get_user": Operation("GET", "/v1/bot/users/{uid}/"),
    "get_group": Operation("GET", "/v1/bot/groups/{gid}/"),
}


# Encoding


def encode_draft(draft: ChatDraft) -> dict[str, Any]:
    """The body that creates a chat."""
    return {
        "title": draft.title,
        "user_ids": list(draft.user_ids),
        "group_ids": list(draft.group_ids),
        "message": draft.message or None,
        "allow_sending": draft.allow_sending,
        "allow_mute_notifications": draft.allow_mute_notifications,
        "is_alert": draft.is_alert,
    }


def encode_message(message: str) -> dict[str, Any]:
    """The body that posts a message."""
    return {"message": message}


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Decoding

_STRING = (str,)
_OPTIONAL = (str, type(None))
_FLAG = (bool,)
_NUMBER = (int,)
_ARRAY = (list,)
_NESTING = (list, dict)

_Fields = Mapping[str, tuple[type, ...]]

_USER: _Fields = {
    "uid": _STRING,
    "first_name": _STRING,
    "last_name": _STRING,
    "organisation": _OPTIONAL,
    "is_bot": _FLAG,
}
_GROUP: _Fields = {
    "gid": _STRING,
    "title": _STRING,
    "owner_id": _OPTIONAL,
    "is_circle": _FLAG,
    "is_list": _FLAG,
    "is_public": _FLAG,
}
_CHAT: _Fields = {
    "tid": _STRING,
    "title": _OPTIONAL,
    "type": _STRING,
    "user_ids": _ARRAY,
    "group_ids": _ARRAY,
    "admin_ids": _ARRAY,
    "is_alert": _FLAG,
    "allow_sending": _FLAG,
    "allow_mute_notifications": _FLAG,
    "is_closed": _FLAG,
}
_MESSAGE: _Fields = {
    "mid": _STRING,
    "tid": _STRING,
    "from_user_id": _STRING,
    "timestamp": _NUMBER,
    "message": _OPTIONAL,
    "is_alert": _FLAG,
    "alert_type": _OPTIONAL,
    "reply_to": _OPTIONAL,
    "sender_display_name": _OPTIONAL,
    "deleted": _FLAG,
}
_PAGE: _Fields = {
    "chats": _ARRAY,
    "users": _ARRAY,
    "groups": _ARRAY,
    "next_cursor": _OPTIONAL,
}
_chat_fields = itemgetter(*_CHAT)
_CHAT_TYPES = {kind.value: kind for kind in ChatType}
# Milliseconds that fit between the years 1 and 9999.
_TIMESTAMPS = range(-62_135_596_800_000, 253_402_300_800_000)

_TYPE_NAMES = {
    str: "a string",
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "an array",
    dict: "an object",
}

# Comparing, pickling and showing a value goes as deep as the value.
_MOST_LEVELS = 50


def decode_error(body: bytes) -> dict[str, Any]:
    """What an error answer says of itself; empty when it says nothing, as a proxy's page does."""
    if len(body) > SMALL:
        return {}
    try:
        error = decode_json(body)["error"]
    except (TWProtocolError, TypeError, KeyError):
        return {}
    return error if isinstance(error, dict) else {}


def _checked(value: Any, kind: str, fields: _Fields) -> dict[str, Any]:
    """*value*, which is an object with these *fields*; what more it has is no fault."""
    if not isinstance(value, dict):
        message = f"{kind} is {_type_name(value)} where an object should be"
        raise TWProtocolError(message)
    for name, types in fields.items():
        if name not in value:
            message = f'{kind} without "{name}"'
            raise TWProtocolError(message)
        if type(value[name]) not in types:
            should = " or ".join(_TYPE_NAMES[each] for each in types)
            message = f'"{name}" of {kind} is {_type_name(value[name])}, not {should}'
            raise TWProtocolError(message)
    return value


def _type_name(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def _unknown(raws: list[Any], key: str, known: Mapping[str, Any]) -> list[Any]:
    """Those of *raws* whose id is not *known*; most pages have few."""
    try:
        return [raw for raw in raws if raw[key] not in known]
    except (KeyError, TypeError):
        return raws  # one of them is no such object; which and why, its own check tells


def _extra(value: Mapping[str, Any], fields: _Fields) -> tuple[tuple[str, Any], ...]:
    if len(value) == len(fields):
        return ()
    extra = tuple((name, value[name]) for name in value if name not in fields)
    levels, level = 0, [more for _, more in extra if type(more) in _NESTING]
    while level:
        levels += 1
        if levels > _MOST_LEVELS:
            message = f"an unknown field is nested in more than {_MOST_LEVELS} levels"
            raise TWProtocolError(message)
        level = [inner for each in level for inner in _inside(each) if type(inner) in _NESTING]
    return extra


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if type(value) is dict else value


class Decoder:
    """Turns answers into models; the same user or group in many of them is one object.

    What describes it first counts: the pages of a listing are of one moment, or else each may be
    anything between its question and its end.
    """

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._groups: dict[str, Group] = {}
        self._alone: dict[str, tuple[User]] = {}

    def page(self, document: Any) -> tuple[list[Chat], str | None]:
        """The chats of a page, and the cursor of the next one."""
        page = _checked(document, "a page of chats", _PAGE)
        cursor = page["next_cursor"]
        if cursor is not None and not _encodes(cursor):
            message = '"next_cursor" of a page of chats has half of a surrogate pair'
            raise TWProtocolError(message)
        return self._chats(page["chats"], page), cursor

    def chat(self, document: Any) -> Chat:
        """A chat with the users and groups that it names."""
        fields = {"chat": (dict,), "users": _ARRAY, "groups": _ARRAY}
        answer = _checked(document, "the answer", fields)
        return self._chats([answer["chat"]], answer)[0]

    def message(self, document: Any, chat: Chat | ChatHandle) -> Message:
        """A message in *chat*."""
        answer = _checked(document, "the answer", {"message": (dict,), "users": _ARRAY})
        self._learn(answer["users"], [])
        raw = _checked(answer["message"], "a message", _MESSAGE)
        if raw["timestamp"] not in _TIMESTAMPS:
            message = '"timestamp" of a message is no date'
            raise TWProtocolError(message)
        alert_type = raw["alert_type"]
        return Message(
            chat=chat,
            mid=raw["mid"],
            from_user=self._named(self._users, raw["from_user_id"], "a message names a user"),
            timestamp=raw["timestamp"],
            msg=raw["message"],
            is_alert=raw["is_alert"],
            alert_type=None if alert_type is None else AlertType(alert_type),
            reply_to=raw["reply_to"],
            sender_display_name=raw["sender_display_name"],
            deleted=raw["deleted"],
            extra=_extra(raw, _MESSAGE),
        )

    def user(self, document: Any) -> User:
        """A user."""
        return self._user(_checked(document, "the answer", {"user": (dict,)})["user"])

    def me(self, document: Any) -> LoggedInUser:
        """The bot's own user."""
        answer = _checked(document, "the answer", {"user": (dict,)})
        return _make_user(LoggedInUser, _checked(answer["user"], "a user", _USER))

    def group(self, document: Any) -> Group:
        """A group with its members."""
        fields = {"group": (dict,), "users": _ARRAY, "user_ids": _ARRAY}
        answer = _checked(document, "the answer", fields)
        self._learn(answer["users"], [])
        members = self._all_named(self._users, answer["user_ids"], "a group names a user")
        return self._group(answer["group"], members)

    def _learn(self, raw_users: list[Any], raw_groups: list[Any]) -> None:
        users, groups = self._users, self._groups
        for raw in _unknown(raw_users, "uid", users):
            user = self._user(raw)
            if users.setdefault(user.uid, user) is user:
                self._alone[user.uid] = (user,)
        for raw in _unknown(raw_groups, "gid", groups):
            group = self._group(raw)
            groups.setdefault(group.gid, group)

    def _user(self, raw: Any) -> User:
        _checked(raw, "a user", _USER)
        return _make_user(Bot if raw["is_bot"] else User, raw)

    def _group(self, raw: Any, members: tuple[User, ...] | None = None) -> Group:
        _checked(raw, "a group", _GROUP)
        owner = raw["owner_id"]
        return Group(
            raw["gid"],
            raw["title"],
            None if owner is None else self._named(self._users, owner, "a group names a user"),
            raw["is_circle"],
            raw["is_list"],
            raw["is_public"],
            members,
            _extra(raw, _GROUP),
        )

    def _chats(self, raws: list[Any], answer: Mapping[str, Any]) -> list[Chat]:
        chats: list[Chat] = []
        self._decode_chats(raws, chats)
        if len(chats) < len(raws):
            # Only now: that most pages describe nobody new is quicker found out by their chats.
            self._learn(answer["users"], answer["groups"])
            self._decode_chats(raws[len(chats) :], chats)
        if len(chats) < len(raws):
            self._explain_chat(raws[len(chats)])
        return chats

    def _decode_chats(self, raws: Iterable[Any], chats: list[Chat]) -> None:
        """Add to *chats* until there is one that can't be read."""
        # The one loop that every field of every chat goes through: calls in it would cost more than
        # what they do.
        user, group, alone = self._users.__getitem__, self._groups.__getitem__, self._alone
        kinds, new, size = _CHAT_TYPES, FillableChat.__new__, len(_CHAT)
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
                    users = alone[user_ids[0]] if len(user_ids) == 1 else (*map(user, user_ids),)
                    admins = (
                        alone[admin_ids[0]] if len(admin_ids) == 1 else (*map(user, admin_ids),)
                    )
                    chat = new(FillableChat)
                    chat.tid = tid
                    chat.title = title
                    chat.type = kinds[kind] if kind in kinds else ChatType(kind)
                    chat.users = users
                    chat.groups = (*map(group, group_ids),) if group_ids else ()
                    chat.admins = admins
                    chat.is_alert = is_alert
                    chat.allow_sending = allow_sending
                    chat.allow_mute_notifications = allow_mute_notifications
                    chat.is_closed = is_closed
                    chat._extra = () if len(raw) == size else _extra(raw, _CHAT)
                    chat.__class__ = Chat
            except (KeyError, TypeError):
                chat = None
            if chat is None:
                return
            chats.append(chat)

    def _explain_chat(self, raw: Any) -> NoReturn:
        _checked(raw, "a chat", _CHAT)
        self._all_named(self._users, raw["user_ids"], "a chat names a user")
        self._all_named(self._groups, raw["group_ids"], "a chat names a group")
        self._all_named(self._users, raw["admin_ids"], "a chat names a user")
        message = "a chat can't be read"
        raise TWProtocolError(message)

    @staticmethod
    def _named(known: Mapping[str, Any], identifier: Any, what: str) -> Any:
        try:
            return known[identifier]
        except (KeyError, TypeError):
            pass
        message = f"{what} that the answer does not describe"
        raise TWProtocolError(message)

    def _all_named(
        self, known: Mapping[str, Any], identifiers: Iterable[Any], what: str
    ) -> tuple[Any, ...]:
        return tuple([self._named(known, identifier, what) for identifier in identifiers])


def _make_user(cls: type[UserT], raw: Mapping[str, Any]) -> UserT:
    return cls(
        raw["uid"],
        raw["first_name"],
        raw["last_name"],
        raw["organisation"],
        raw["is_bot"],
        _extra(raw, _USER),
    )


def decode_chat(document: Any) -> Chat:
    """The chat in *document*, with the users and groups that it names."""
    return Decoder().chat(document)
