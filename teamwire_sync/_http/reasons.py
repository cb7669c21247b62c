"""The reason in the page or the plain text that came instead of an answer, as one line."""

from __future__ import annotations

import http.client
import re
from html import unescape
from typing import TYPE_CHECKING, Callable

from teamwire_sync._internal.signals import suppress

if TYPE_CHECKING:
    from teamwire_sync._http.sessions import RawResponse

# Bytes. A page has its title in its first characters.
_MOST_BYTES = 2**14
# Characters: as many as the function that removes the Secret returns.
_MOST_CHARACTERS = 4096
_LONGEST_REASON = 200
# Characters of the visible text. A page with more text, such as a login or debug page, says in its
# title what it is.
_SHORT_PAGE = 300
_MOST_PARTS = 20
# Other codecs of Python are no character sets, or are slow.
_CHARSET = re.compile(
    r"charset\s*=\s*[\"']?((?:utf|iso|windows|us|ascii|latin|cp|koi8|big5|gb|shift|euc)[\w-]*)",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<[!?/a-z]", re.IGNORECASE)
_JSON = re.compile(r'\{\s*["}]|\[\s*["\[{\]\d]|"')
_PAGE = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
# Each of these patterns takes linear time: what is not closed ends with the text.
_INVISIBLE = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|noscript|template|svg)\b.*?(?:</\1\s*>|\Z)"
    r"|<!\[CDATA\[|\]\]>",
    re.IGNORECASE | re.DOTALL,
)
_TITLE = re.compile(r"<title\b[^<>]*>([^<]*)", re.IGNORECASE)
_XML_REASON = re.compile(
    r"<(?:\w+:)?(?:detail|message|faultstring|description)\b[^<>]*>([^<]*)", re.IGNORECASE
)
# The signature of the server follows this line.
_LINE = re.compile(r"<hr\b.*", re.IGNORECASE | re.DOTALL)
_INLINE = re.compile(
    r"</?(?:a|abbr|b|big|code|em|font|i|small|span|strong|tt|u|wbr)\b[^<>]*>", re.IGNORECASE
)
_TAG = re.compile(r"<[^<>]*>?")


def reason_of(raw: RawResponse, redact: Callable[[str], str]) -> str:
    """Return the reason in the body of *raw* as one line, or an empty text.

    The function `decode_error` reads the reasons in JSON, so the result is empty for JSON.
    The body of a success may have texts of people. So only the title of a page is returned then.

    Args:
        raw: The response.
        redact: A function that removes the Secret from a text.
    """
    # The Secret is removed before the tags, because it may contain what looks like a tag.
    text = redact(_beginning(raw))
    is_failure = raw.status >= 300 and raw.status != 304
    if _MARKUP.match(text):
        text = _reason_of_page(text, raw.status) if is_failure else _title_of(text)
    elif not is_failure or _JSON.match(text) or not _is_text(text):
        return ""
    # A line break in the body may stand for a space of the Secret.
    return one_line(redact(one_line(text, _MOST_CHARACTERS)), _LONGEST_REASON)


def is_page(raw: RawResponse) -> bool:
    """Return whether the body of *raw* is an HTML page."""
    text = _beginning(raw)
    return bool(_MARKUP.match(text) and _PAGE.search(text))


def one_line(text: str, most: int) -> str:
    """Return *text* as one line of at most *most* characters.

    Text from a server may control a terminal, so only printable characters stay.
    """
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:most].rstrip()


def _beginning(raw: RawResponse) -> str:
    body = raw.body[:_MOST_BYTES]
    charset = _CHARSET.search(raw.headers.get("Content-Type", ""))
    text = str(body, "utf-8", "replace")
    if charset:
        with suppress(LookupError, UnicodeError):
            text = str(body, charset[1], "replace")
    return text.lstrip("\ufeff \t\r\n")[:_MOST_CHARACTERS]


def _is_text(text: str) -> bool:
    """Return whether almost all characters of *text* belong to a text."""
    strange = sum(each == "\ufffd" or not (each.isprintable() or each.isspace()) for each in text)
    return 10 * strange <= len(text)


def _title_of(page: str) -> str:
    title = _TITLE.search(_INVISIBLE.sub("", page))
    return unescape(title[1]).strip() if title else ""


def _reason_of_page(page: str, status: int) -> str:
    title, page = _title_of(page), _INVISIBLE.sub("", page)
    reason = None if _PAGE.search(page) else _XML_REASON.search(page)
    if reason:
        return f"{title} {unescape(reason[1])}"
    visible = _INLINE.sub("", _LINE.sub("", _TITLE.sub("", page)))
    parts = [unescape(part).strip() for part in _TAG.split(visible) if not part.isspace()]
    if title and sum(map(len, parts)) > _SHORT_PAGE:
        return title
    kept, said = [title], _words(title)
    if title:
        # A heading often repeats the status.
        said |= _words(f"HTTP status error {status} {http.client.responses.get(status)}")
    for part in parts[:_MOST_PARTS]:
        words = _words(part)
        if not words <= said:
            kept = [*(each for each in kept if not _words(each) <= words), part]
            said |= words
    return " ".join(kept)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
