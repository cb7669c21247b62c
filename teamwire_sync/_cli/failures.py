"""How a command ends when it fails: a line on stderr, and a code that scripts can tell apart."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.output import say
from teamwire_sync.exceptions import (
    TWAmbiguousTitleError,
    TWAuthError,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWImageLoadError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWRequestError,
    TWUnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_FOUND = 1
USAGE = 2
AUTH = 3
NETWORK = 4
SERVER = 5
UNKNOWN = 6
INTERRUPTED = 130
BROKEN_PIPE = 141

# The first that fits; whatever else the client raises comes from the server.
_CODES: list[tuple[type[BaseException] | tuple[type[BaseException], ...], int]] = [
    (TWDeliveryUnknownError, UNKNOWN),
    (
        (TWNotFoundError, TWAmbiguousTitleError, TWInvalidMembersError, TWImageLoadError),
        NOT_FOUND,
    ),
    ((TWConfigError, TWRequestError, TWUnsupportedError), USAGE),
    (TWAuthError, AUTH),
    (TWConnectionError, NETWORK),
    (TWError, SERVER),
    ((OSError, ValueError), USAGE),
]


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn what the block raises into a line on stderr and the process's exit code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _pipe_broken()
    except (KeyboardInterrupt, click.Abort):
        raise SystemExit(INTERRUPTED) from None
    except (TWError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            _pipe_broken()
        if isinstance(error, TWAmbiguousTitleError):
            _show_candidates(error)
        else:
            say(f"Error: {error}")
        raise SystemExit(code_of(error)) from None


def code_of(error: BaseException) -> int:
    """The exit code for *error*."""
    return next(code for kinds, code in _CODES if isinstance(error, kinds))


def not_found(text: str) -> SystemExit:
    """There is no such thing; to be raised."""
    say(f"Error: {text}")
    return SystemExit(NOT_FOUND)


def _pipe_broken() -> None:
    # Who reads has read enough. Python flushes stdout at its end, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(BROKEN_PIPE)


def _show_candidates(error: TWAmbiguousTitleError) -> None:
    say(f"Error: {len(error.candidates)} chats have the title {error.title!r}:")
    for chat in error.candidates:
        members = f"{len(chat.users):,} users"
        groups = ", ".join(group.title for group in chat.groups)
        say(f"  {chat.tid}  {chat.type}, {members}{f', {groups}' if groups else ''}")
    say("Take one of them by its thread ID.")


class Group(click.Group):
    """A group of commands whose failures have exit codes."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with exit_codes():
            return super().invoke(ctx)
