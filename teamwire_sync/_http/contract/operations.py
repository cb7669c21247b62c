"""The contract's operations, their queries and request bodies, and its error responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import quote

from attrs import frozen

from teamwire_sync._internal.dates import milliseconds_of
from teamwire_sync._internal.signals import suppress
from teamwire_sync._internal.strict_json import SMALL, decode_json
from teamwire_sync._internal.validation import is_unicode
from teamwire_sync._models.attachments import (
    Attachment,
    CalendarAttachment,
    FileAttachment,
    LocationAttachment,
)
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamwire_sync._transport import ChatDraft, MemberEdit, MessageDraft

# A header of writes: the server does the work only once for all requests with the same key.
IDEMPOTENCY_KEY = "Idempotency-Key"

# A header of responses: the response shows all changes of the chats up to this revision.
REVISION_HEADER = "Teamwire-Revision"

# Headers against caches between client and server, which may keep old content, or return it to a
# client with a wrong Secret. `NO_STORE` is part of all requests and responses.
NO_STORE = {"Cache-Control": "no-store"}
UNCACHED = {"Cache-Control": "no-cache, no-store"}

# The error codes that the client acts upon.
NOT_FOUND, NO_AVATAR = "not_found", "no_avatar"
CIRCLE_NOT_PUBLIC, INVALID_MEMBERS = "circle_not_public", "invalid_members"
UNKNOWN_REVISION, UNSUPPORTED = "unknown_revision", "unsupported"
DELIVERY_UNKNOWN, IN_PROGRESS = "delivery_unknown", "in_progress"

# The names of the reason in the JSON of other services, in the order of preference.
_REASONS = (
    "detail",
    "message",
    "error_description",
    "error_message",
    "errormessage",
    "errormessages",
    "msg",
    "reason",
    "description",
    "faultstring",
    "errors",
    "error",
    "fault",
    "title",
)
# Of these, the fields whose value may be an object. The object ``message`` of the contract has the
# text of a person.
_NESTED = {"detail", "errors", "error", "fault"}
_MOST_LEVELS = 4
_MOST_ERRORS = 10


@frozen
class Operation:
    """A request that the contract defines.

    Attributes:
        method: The HTTP method.
        path: The path, with placeholders in braces for IDs.
        is_unseen: Whether nobody can see the result yet, so that a second execution is harmless.
    """

    method: str
    path: str
    is_unseen: bool = False

    def path_for(self, **ids: str) -> str:
        """Return the path with the IDs in place of the placeholders, percent-encoded.

        Raises:
            ValueError: An ID can't be part of a path.
        """
        for name, value in ids.items():
            # Clients and proxies resolve dot segments, even percent-encoded ones.
            if value in {"", ".", ".."} or not is_unicode(value):
                message = f"{value!r} is not a valid {name}"
                raise ValueError(message)
        return self.path.format_map({name: quote(value, safe="") for name, value in ids.items()})

    @property
    def writes(self) -> bool:
        """Whether doing the operation twice differs from doing it once."""
        return self.method != "GET" and not self.is_unseen


OPERATIONS = {
    "get_me": Operation("GET", "/v1/bot/me/"),
    "list_chats": Operation("GET", "/v1/bot/chats/"),
    "create_chat": Operation("POST", "/v1/bot/chats/"),
    "edit_chat": Operation("PATCH", "/v1/bot/chats/{tid}/"),
    "edit_members": Operation("PATCH", "/v1/bot/chats/{tid}/members/"),
    "edit_admins": Operation("PATCH", "/v1/bot/chats/{tid}/admins/"),
    "leave_chat": Operation("DELETE", "/v1/bot/chats/{tid}/members/me/"),
    "list_messages": Operation("GET", "/v1/bot/chats/{tid}/messages/"),
    "post_message": Operation("POST", "/v1/bot/chats/{tid}/messages/"),
    "upload_attachment": Operation("POST", "/v1/bot/attachments/", is_unseen=True),
    "download_attachment": Operation("GET", "/v1/bot/attachments/{aid}/content/"),
    "list_users": Operation("GET", "/v1/bot/users/"),
    "get_user": Operation("GET", "/v1/bot/users/{uid}/"),
    "get_avatar": Operation("GET", "/v1/bot/users/{uid}/avatar/"),
    "list_groups": Operation("GET", "/v1/bot/groups/"),
    "get_group": Operation("GET", "/v1/bot/groups/{gid}/"),
    "edit_group_members": Operation("PATCH", "/v1/bot/groups/{gid}/members/"),
    "list_events": Operation("GET", "/v1/bot/events/"),
}


def encode_query(
    *,
    text: str | None = None,
    cursor: str | None = None,
    before: str | None = None,
    limit: int | None = None,
    wait: float | None = None,
    name: str | None = None,
    since: int | None = None,
) -> dict[str, str]:
    """Return the query of a request, without the arguments that are None."""
    values = {
        "q": text,
        "limit": limit,
        "before": before,
        "cursor": cursor,
        "since": since,
        "wait": None if wait is None else f"{round(wait, 3):g}",
        "name": name,
    }
    # The str() of a text may be another text: that of an Enum's member is its name.
    return {
        key: str.__str__(value) if isinstance(value, str) else str(value)
        for key, value in values.items()
        if value is not None
    }


def encode_draft(draft: ChatDraft) -> dict[str, Any]:
    """Return the body of a request that creates a chat."""
    return {
        "title": draft.title,
        "user_ids": list(draft.user_ids),
        "group_ids": list(draft.group_ids),
        "message": draft.message or None,
        "allow_sending": draft.allow_sending,
        "allow_mute_notifications": draft.allow_mute_notifications,
        "is_alert": draft.is_alert,
    }


def encode_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that changes properties of a chat, named as the attributes of `Chat`."""
    return dict(properties)


def encode_message(draft: MessageDraft) -> dict[str, Any]:
    """Return the body of a request that posts a message."""
    return {
        "message": draft.message or None,
        "attachments": [_encode_attachment(each) for each in draft.attachments],
        "is_alert": draft.is_alert,
        "alert_type": None if draft.alert_type is None else draft.alert_type.value,
        "reply_to": draft.reply_to,
        "sender_display_name": draft.sender_display_name,
    }


def encode_edit(edit: MemberEdit) -> dict[str, Any]:
    """Return the body that changes members or administrators, without the empty lists."""
    lists = {
        "add_user_ids": edit.add_users,
        "add_group_ids": edit.add_groups,
        "remove_user_ids": edit.remove_users,
        "remove_group_ids": edit.remove_groups,
    }
    return {name: list(ids) for name, ids in lists.items() if ids}


def _encode_attachment(attachment: Attachment) -> dict[str, Any]:
    kind = attachment.type.value
    if isinstance(attachment, FileAttachment):
        return {"type": kind, "attachment_id": attachment.aid}
    if isinstance(attachment, CalendarAttachment):
        return {
            "type": kind,
            "title": attachment.title,
            "start_date": milliseconds_of(attachment.startDate),
            "end_date": milliseconds_of(attachment.endDate),
            "description": attachment.description,
            "location": attachment.location,
        }
    if isinstance(attachment, LocationAttachment):
        return {
            "type": kind,
            "name": attachment.name,
            "lat": attachment.lat,
            "lon": attachment.lon,
            "address": attachment.address,
            "city": attachment.city,
            "country": attachment.country,
            "postal_code": attachment.postalCode,
        }
    return {**attachment.extra, "type": kind}


def keeps_contract(headers: Mapping[str, str]) -> bool:
    """Return whether the *headers* of a response show a server that keeps the contract."""
    return headers.get("Teamwire-Bot-Contract") == "1"


def decode_revision(headers: Mapping[str, str]) -> int | None:
    """Return the revision in the *headers* of a response; None if they have none."""
    value = headers.get(REVISION_HEADER)
    if value is None:
        return None
    # More digits may be too many for int().
    if value.isascii() and value.isdecimal() and len(value) < 20 and int(value) < 2**63:
        return int(value)
    message = f"the header {REVISION_HEADER} is no whole number from 0 to 2**63 - 1"
    raise TWProtocolError(message)


@frozen
class ErrorDetails:
    """The details in an error response.

    Attributes:
        code: The error code, or None.
        message: The reason, or None.
        user_ids: The IDs of the users that the server refuses.
        group_ids: The IDs of the circles and distribution lists that the server refuses.
    """

    code: str | None
    message: str | None
    user_ids: tuple[str, ...]
    group_ids: tuple[str, ...]


def decode_error(body: bytes, redact: Callable[[str], str]) -> ErrorDetails:
    """Return the details in an error response; a proxy's page, for example, has none.

    Args:
        body: The body of the response. JSON of another service has no details but the message.
        redact: A function that removes the Secret from a text.
    """
    document: Any = None
    if len(body) <= SMALL:
        with suppress(TWProtocolError):
            document = decode_json(body)
    said = document.get("error") if isinstance(document, dict) else None
    if not isinstance(said, dict):
        said = {}

    def texts(values: Any) -> tuple[str, ...]:
        listed = values if isinstance(values, list) else []
        return tuple(redact(value) for value in listed if isinstance(value, str))

    code, message = said.get("code"), said.get("message")
    if not isinstance(message, str):
        message = _reason(document, _MOST_LEVELS)
    return ErrorDetails(
        code=redact(code) if isinstance(code, str) else None,
        message=redact(message) if message else None,
        user_ids=texts(said.get("user_ids")),
        group_ids=texts(said.get("group_ids")),
    )


def _reason(value: Any, levels: int) -> str:
    """Return the reason in the JSON of any service; empty if it has no usual name."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and levels:
        return next(filter(None, (_reason(each, levels - 1) for each in value[:_MOST_ERRORS])), "")
    if not isinstance(value, dict) or not levels:
        return ""
    fields = {name.lower(): field for name, field in value.items()}
    named = (
        _reason(fields.get(name), levels - 1)
        for name in _REASONS
        if name in _NESTED or not isinstance(fields.get(name, {}), dict)
    )
    reason = next(filter(None, named), "")
    title = fields.get("title")
    # RFC 9457 has both: the kind of the problem, and what happened.
    if isinstance(title, str) and title not in reason:
        return f"{title.rstrip('.')}: {reason}"
    return reason
