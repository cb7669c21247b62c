"""Responses of the server, and their conversion to results and errors of this package."""

from __future__ import annotations

import math
import re
import time
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Callable, TypeVar
from urllib.parse import urljoin, urlsplit

from attrs import frozen

from teamwire_sync._http.contract import (
    CIRCLE_NOT_PUBLIC,
    IN_PROGRESS,
    INVALID_MEMBERS,
    NO_AVATAR,
    NOT_FOUND,
    OPERATIONS,
    UNSUPPORTED,
    ErrorDetails,
    Operation,
    decode_done,
    decode_error,
    decode_json,
    decode_revision,
    keeps_contract,
)
from teamwire_sync._http.reasons import is_page, one_line, reason_of
from teamwire_sync._internal.collector import with_fewer_collections
from teamwire_sync._internal.hosts import is_loopback
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.validation import as_unicode
from teamwire_sync.exceptions import (
    TWAuthError,
    TWConfigError,
    TWDeliveryUnknownError,
    TWError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWUnsupportedError,
)

if TYPE_CHECKING:
    from teamwire_sync._http.sessions import RawResponse

T = TypeVar("T")

# Calls that show a user whether a write was done.
_REFRESH = "connection.chats.get_subscriptions(refresh=True)"
_FIND_OUT = {
    OPERATIONS["create_chat"]: f"{_REFRESH} lists the chat if it was made",
    OPERATIONS["edit_chat"]: f"{_REFRESH} lists the chat as it is now",
    OPERATIONS["edit_members"]: f"{_REFRESH} lists the chat as it is now",
    OPERATIONS["edit_admins"]: f"{_REFRESH} lists the chat as it is now",
    OPERATIONS["leave_chat"]: f"{_REFRESH} lists the chat if the bot is still in it",
    OPERATIONS["post_message"]: "chat.get_messages() has the message if it was posted",
    OPERATIONS[
        "edit_group_members"
    ]: "connection.groups.get_group(gid) returns the current members",
}
_NOT_MEMBERS = {
    OPERATIONS["edit_members"]: "unknown, not visible to the bot, or not members",
    OPERATIONS["edit_admins"]: "not members, or not administrators",
    OPERATIONS["edit_group_members"]: "unknown, not visible to the bot, or not members",
}
_NOT_THE_SERVERS = "the answer is not the server's"
_FROM_BETWEEN = "something between this client and the server sent this response"
_NO_CONTRACT = (
    "no server of the bot contract sent this response: check the URL; if it is a Teamwire server, "
    "use the vendor's SDK: see docs/connect.md"
)
# The bytes of a character that a program has cut, at the end of a text. Other bytes that are not
# UTF-8 belong to another encoding, such as Latin-1: with U+FFFD, no title would be found.
_CUT = re.compile(
    rb"""(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})(?=["\\])"""
)


@frozen
class Response:
    """A response of the server.

    Attributes:
        operation: The operation of the request.
        raw: The response as received.
        heard: Whether this response or an earlier one has the header of the contract.
        context: The keyword arguments for an error about the response.
        redact: A function that removes the Secret from a text.
        url: The server's URL.
    """

    operation: Operation
    raw: RawResponse
    heard: bool
    context: dict[str, Any]
    redact: Callable[[str], str]
    url: str

    def decode(self, decode: Callable[[Any], T]) -> T:
        """Return the result of *decode* for the JSON in the body.

        Raises:
            TWProtocolError: The body can't be decoded.
            TWDeliveryUnknownError: The body can't be decoded, and the request was a write. The
                server may have done it.
        """
        return with_fewer_collections(
            lambda: self._checked(lambda raw: decode(_document(raw.body)))
        )

    def revision(self) -> int | None:
        """Return the revision that the response shows at least; None if the server has none.

        Raises:
            TWProtocolError: The header is malformed.
            TWDeliveryUnknownError: The header is malformed, and the request was a write.
        """
        return self._checked(lambda raw: decode_revision(raw.headers))

    def body(self) -> bytes:
        """Return the bytes of the body, which have no format that could be checked.

        Raises:
            TWProtocolError: The response does not come from the server.
        """
        # A server without the header may keep the rest of the contract, but it sends no page.
        if self._is_foreign or (not self._is_own and is_page(self.raw)):
            what = f"{self.context['method']} {self.context['path']}: {_NOT_THE_SERVERS}"
            raise self._marked(
                TWProtocolError(f"{what}{self._page()}{self._hint()}", **self.context)
            )
        return self.raw.body

    def done(self) -> None:
        """Check the response to a write that returns no data: any JSON object of the server.

        Raises:
            TWDeliveryUnknownError: It does not show that the server did the write.
        """

        def check(raw: RawResponse) -> None:
            if self._is_foreign:
                raise TWProtocolError(_NOT_THE_SERVERS)
            decode_done(_document(raw.body))

        self._checked(check)

    # A report with local variables shows the values of all names in the lines of a traceback.
    # `self.raw.body` in such a line would show the body, which may quote the Secret.
    def _checked(self, decode: Callable[[RawResponse], T]) -> T:
        try:
            return decode(self.raw)
        except not_by_signal(TWProtocolError) as error:
            text = str(error)
        what = f"{self.context['method']} {self.context['path']}: {text}{self._page()}"
        if self.operation.writes:
            message = f"{what}; it may have been done or not; {how_to_go_on(self.operation)}"
            raise self._marked(TWDeliveryUnknownError(message + self._hint(), **self.context))
        raise self._marked(TWProtocolError(f"{what}; {self._origin()}", **self.context))

    @property
    def _is_own(self) -> bool:
        return keeps_contract(self.raw.headers)

    @property
    def _is_foreign(self) -> bool:
        return self.heard and not self._is_own

    def _marked(self, error: TWError) -> TWError:
        error._is_foreign = self._is_foreign
        return error

    def _origin(self) -> str:
        """Return a hint at the sender of a response that is not as expected."""
        if self._is_own:
            return "does this server implement the REST contract?"
        return _FROM_BETWEEN if self.heard else _NO_CONTRACT

    def _hint(self) -> str:
        """Return the end of a text about a response that does not come from the server."""
        return "" if self._is_own else f"; {self._origin()}"

    def _page(self) -> str:
        """Return a text about the page that came instead of an answer; empty if none did."""
        title = reason_of(self.raw, self.redact)
        named = f": {title}" if title else " without a title"
        return f" but a page{named}" if is_page(self.raw) else ""

    def code(self) -> str | None:
        """Return the error code of the server; None if something else sent the response."""
        return decode_error(self.raw.body, self.redact).code if self._is_own else None

    def error(self) -> TWError:
        """Return the error for a status other than 200."""
        details = decode_error(self.raw.body, self.redact)
        reason = self._reason(details) or "no reason given"
        error = self._marked(self._error(reason, details))
        error._reason = reason
        return error

    @property
    def _is_redirect(self) -> bool:
        return 300 <= self.raw.status < 400 and self.raw.status != 304

    def _reason(self, details: ErrorDetails) -> str:
        status = self.raw.status
        if self._is_redirect and self.raw.location:
            return f"a redirect to {self._target()}"
        if status >= 300 and details.message:
            return one_line(details.message, 300 if self._is_own else 200)
        return reason_of(self.raw, self.redact)

    def _error(self, reason: str, details: ErrorDetails) -> TWError:
        status = self.raw.status
        code = None if details.code is None else one_line(details.code, 64)
        context = {**self.context, "code": code}
        what = f"{status} for {context['method']} {context['path']}: {reason}"
        # An earlier try of this write is under way.
        is_open = self._is_own and code == IN_PROGRESS
        if self._is_redirect or (400 <= status < 500 and not is_open):
            return self._refusal(what, reason, details, context)
        if self._is_own and status == 501 and code == UNSUPPORTED:
            return TWUnsupportedError(what, **context)
        # Only the server knows that it has done nothing. A gateway may have lost its response.
        is_refusal = self._is_own and status == 503
        if self.operation.writes and not is_refusal:
            what += f"; the server may have done it or not; {how_to_go_on(self.operation)}"
            return TWDeliveryUnknownError(what + self._hint(), **context)
        if status >= 500:
            what += self._hint()
            failure = TWServerError(what, retry_after=self._retry_after(), **context)
            failure._is_refusal = is_refusal
            return failure
        return TWProtocolError(f"unexpected status {what}; {self._origin()}", **context)

    def _refusal(
        self, what: str, reason: str, details: ErrorDetails, context: dict[str, Any]
    ) -> TWError:
        status = self.raw.status
        if status == 429:
            wait = self._retry_after()
            what += self._hint() + ("" if wait is None else f"; try again in {wait:g} s")
            return TWRateLimitError(what, retry_after=wait, **context)
        if self._is_foreign:
            return self._not_done(what, self._origin(), context)
        if status < 400:
            return TWConfigError(f"{what}; {self._instead()}", **context)
        if status in {401, 403}:
            return self._unauthorized(reason, context)
        if self._is_own:
            return self._own_refusal(what, reason, details, context)
        return self._not_done(what, self._origin(), context)

    def _unauthorized(self, reason: str, context: dict[str, Any]) -> TWError:
        if self.raw.status == 401:
            text = "401: the server does not accept this App ID and Secret"
            if not self._is_own:
                text += f" ({reason}){self._hint()}"
            return TWAuthError(text, **context)
        text = "the bot may not do this"
        if context["code"] == CIRCLE_NOT_PUBLIC:
            text = "bots can use only circles that are public"
        return TWAuthError(f"403: {text} ({reason}){self._hint()}", **context)

    def _own_refusal(
        self, what: str, reason: str, details: ErrorDetails, context: dict[str, Any]
    ) -> TWError:
        status, code = self.raw.status, context["code"]
        if status == 404 and code not in {NOT_FOUND, NO_AVATAR}:
            # This does not show whether the object exists.
            return self._not_done(what, "does the URL point to the bot API?", context)
        if status == 404:
            error = TWNotFoundError(what, **context)
            with suppress(TWProtocolError):  # a proxy may have changed the header
                error._revision = decode_revision(self.raw.headers)
            return error
        if status == 422 and code == INVALID_MEMBERS:
            users, groups = details.user_ids, details.group_ids
            named = one_line(", ".join((*users, *groups)), 300) or reason
            what = _NOT_MEMBERS.get(self.operation, "unknown, or not visible to the bot")
            text = f"{what}: {named}"
            return TWInvalidMembersError(text, user_ids=users, group_ids=groups, **context)
        return TWRequestError(what, **context)

    def _not_done(self, what: str, hint: str, context: dict[str, Any]) -> TWError:
        nothing = "; nothing was done" if self.operation.writes else ""
        error = TWProtocolError(f"{what}{nothing}; {hint}", **context)
        error._is_refusal = True
        return error

    def _target(self) -> str:
        """Return the target of a redirect. A path is part of it only on the same server."""
        where = ""
        with suppress(ValueError):
            target = urlsplit(urljoin(self.url, self.raw.location))
            if target[:2] == urlsplit(self.url)[:2]:
                where = target.path.partition(";")[0] or "/"
            elif target.hostname:
                host = f"[{target.hostname}]" if ":" in target.hostname else target.hostname
                where = f"{target.scheme}://{host}"
                where += f":{target.port}" if target.port else ""
        return one_line(self.redact(where), 300) or "another address"

    def _instead(self) -> str:
        """Return what to do instead of following a redirect."""
        here, there = urlsplit(self.url), urlsplit("")
        with suppress(ValueError):
            there = urlsplit(self.raw.location)
        if here[:1] == ("http",) and there[:1] == ("https",) and here.hostname == there.hostname:
            name = "the host name in the server's certificate"
            other = f", or {name}" if is_loopback(here.hostname or "") else ""
            return f"use {self._target()}{other}{self._hint()}"
        return "redirects are not followed: correct the URL" if self._is_own else _NO_CONTRACT

    def _retry_after(self) -> float | None:
        """Return the seconds for which the server asks us to wait, or None.

        Retry-After is a number of seconds or a date (RFC 9110, 10.2.3).
        """
        value = self.raw.headers.get("Retry-After", "").strip()
        # Some servers send fractions. A proxy may add a header of its own, which follows a comma.
        number = value.partition(",")[0]
        if number.replace(".", "", 1).isdecimal():
            seconds = float(number)
            return seconds if math.isfinite(seconds) else None
        until, sent_at = _timestamp(value), _timestamp(self.raw.headers.get("Date", ""))
        # Compare with the server's own clock, because our clock may differ by minutes.
        return None if until is None else max(0.0, until - (sent_at or time.time()))


def mark_sender(error: TWError, *, is_own: bool, heard: bool) -> None:
    """Add a hint at the sender of a response that could not be read, unless it has the header.

    Args:
        error: The error about the response.
        is_own: Whether the response has the header of the contract.
        heard: Whether an earlier response had the header.
    """
    if not is_own:
        error._is_foreign = heard
        error.args = (f"{error}; {_FROM_BETWEEN if heard else _NO_CONTRACT}",)


def _timestamp(value: str) -> float | None:
    """Return the seconds since 1970 for the date in a header, or None."""
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except not_by_signal(TypeError, ValueError, OverflowError, IndexError):
        return None  # Python up to 3.10 may raise IndexError


def _document(body: bytes) -> Any:
    """Return the JSON document in *body*, with U+FFFD in place of each half of a character."""
    try:
        return decode_json(body)
    except not_by_signal(TWProtocolError):
        mended = body
        with suppress(UnicodeDecodeError):
            text = str(_CUT.sub("\ufffd".encode(), body), "utf-8", "surrogatepass")
            mended = as_unicode(text).encode()
        if mended == body:
            raise
    return decode_json(mended)


def how_to_go_on(operation: Operation) -> str:
    """Return the advice for a user whose write may have been done or not."""
    return f"look before you try again: {_FIND_OUT[operation]}"
