"""A message of another user in a running sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from teamwire_sync._cli.errors import UnusableError, raise_not_found
from teamwire_sync._cli.settings import without_store
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection
from teamwire_sync._http.credentials import find_credentials
from teamwire_sync._internal.folding import folded
from teamwire_sync._internal.hosts import is_loopback
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.validation import require_text
from teamwire_sync._sandbox import SAY_PATH
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from teamwire_sync._cli.settings import Settings
    from teamwire_sync._models.chats import Chat

_NO_SANDBOX = (
    "the settings do not lead to a sandbox on this machine: "
    'run "teamwire-sync sandbox", and here the "export" lines that it prints'
)


def say_as_other_user(
    settings: Settings, tid: str | None, title: str | None, text: str, name: str | None
) -> str:
    """Let a member of a chat post *text*, and return the message ID.

    Args:
        settings: The settings, which lead to the sandbox.
        tid: The chat's thread ID.
        title: The chat's title.
        text: The text.
        name: The member's user ID, or a part of the name; None for the sandbox's choice.
    """
    try:
        access = find_credentials(url=settings.url, profile=settings.profile)
    except not_by_signal(TWConfigError):
        raise UnusableError(_NO_SANDBOX) from None
    if not is_loopback(urlsplit(access.url).hostname or ""):
        raise UnusableError(_NO_SANDBOX)
    require_text(text, "the text", empty=False)
    with (
        without_store(),  # it may have the chats of an earlier sandbox
        Connection(access.app_id, access.secret.reveal(), access.url) as connection,
        requests.Session() as session,
    ):
        chat = settings.find_chat(connection, tid, title)
        uid = None if name is None else _find_member(chat, name)
        session.trust_env = False
        response = session.post(
            access.url + SAY_PATH,
            {"tid": chat.tid, "text": text, "uid": uid},
            auth=(access.app_id, access.secret.reveal()),
            allow_redirects=False,
            timeout=settings.timeout or ConnectionConfig().default_timeout,
        )
    if response.status_code == 404:
        raise UnusableError(_NO_SANDBOX)
    if response.status_code != 200:
        raise UnusableError(response.json()["error"]["message"])
    return response.text


def _find_member(chat: Chat, name: str) -> str:
    people = {user.uid: user.full_name() for user in chat.users}
    for group in chat.groups:
        people.update((user.uid, user.full_name()) for user in group.members)
    found = [uid for uid in people if uid == name or folded(name) in folded(people[uid])]
    if len(found) != 1:
        known = "".join(f"\n  {uid}  {people[uid]}" for uid in found or people)
        raise_not_found(
            f"several members have {name!r} in the name. Pass the user ID:{known}"
            if found
            else f"no member of the chat has {name!r} in the name. The members are:{known}"
        )
    return found[0]
