"""What is left to a transport that lacks abilities."""

from __future__ import annotations

from typing import Any, Callable, NoReturn

from teamwire_sync._transport import Ability
from teamwire_sync.exceptions import TWUnsupportedError


def _unable(ability: Ability) -> Callable[..., Any]:
    def method(self: LimitedTransport, *_arguments: object, **_named: object) -> NoReturn:
        self._refuse(ability)

    method.__doc__ = f"Raises `TWUnsupportedError`; needs `{ability}`."
    return method


class LimitedTransport:
    """The methods that need an ability: each raises `TWUnsupportedError`.

    A class below has its own of those that it can do, and says so in `abilities`.

    Attributes:
        abilities: What it can do.
        why: Why it can do no more, for errors.
    """

    abilities: frozenset[Ability] = frozenset()
    why = "this transport can do no more"

    get_me = _unable(Ability.OWN_USER)
    edit_chat = edit_members = edit_admins = leave_chat = _unable(Ability.CHAT_EDITS)
    get_messages = _unable(Ability.MESSAGES)
    upload = download = _unable(Ability.ATTACHMENTS)
    get_users = get_groups = _unable(Ability.DIRECTORY)
    get_events = pause = _unable(Ability.EVENTS)

    def _refuse(self, ability: Ability, hint: str = "") -> NoReturn:
        message = f"{type(self).__name__} can't {ability.value}: {self.why}{hint}"
        raise TWUnsupportedError(message)
