r"""A double of Teamwire's async SDK, for tests.

It was written from the published documentation (https://sdk.teamwire.eu), without the package.
Names and signatures are the documented ones; all the rest is made up:

- It speaks to a sandbox, and finds it by DOUBLE_URL, DOUBLE_APP_ID and DOUBLE_SECRET.
- `__version__` says which version a new Connection plays, "1.4" or "1.8". What is not documented,
  the two do differently:

  ==========================  =================  ==================================
  \                           1.4                1.8
  ==========================  =================  ==================================
  event loop                  the thread's       its own, closed at the end
  `exec_async` gives          None               what the coroutine gives
  `Chat.post` gives           None               a Message
  `Chat.admins`               missing            there
  the bot in `Chat.users`     no                 yes
  `create_chat` takes         the documented     the chat's properties, too
  `User.organisation`         missing            there
  ==========================  =================  ==================================

  1.4 has less than is documented where a client can do without.
- Groups named by chats come without members.
- Nothing can be attached, and no event is delivered.
- `teamwire_api.testing.knobs` counts calls, and lets them go wrong.
"""

from __future__ import annotations

from teamwire_api.connection import Connection, ConnectionConfig

__all__ = ["Connection", "ConnectionConfig"]

__version__ = "1.8"
