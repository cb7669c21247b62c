"""How a command ends when it fails: a line on stderr, and a code that scripts can tell apart."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from teamwire_sync._cli.output import echo_err, echo_status, escape_lines
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

# Typed in the wrong place, it would be repeated, and it may hold a password.
_STORE_URL = re.compile(r"\b(rediss?|unix)://.*", re.DOTALL | re.IGNORECASE)

# The first that fits; whatever else the client raises comes from the server.
_CODES: list[tuple[type[BaseException] | tuple[type[BaseException], ...], int]] = [
    (TWDeliveryUnknownError, UNKNOWN),
    (
        (TWNotFoundError, TWAmbiguousTitleError, TWInvalidMembersError, TWImageLoadError),
        NOT_FOUND,
    ),
    ((TWConfigError, TWRequestError, TWUnsupportedError), USAGE),
    (TWAuthError, AUTH),
    ((TWConnectionError, ConnectionError), NETWORK),
    (TWError, SERVER),
    ((OSError, ValueError), USAGE),
]


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn what the block raises into a line on stderr and the process's exit code."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # who reads has read enough
        raise SystemExit(BROKEN_PIPE) from None
    except (KeyboardInterrupt, click.Abort):
        echo_status("")
        raise SystemExit(INTERRUPTED) from None
    except click.ClickException as error:
        vars(error)["message"] = escape_lines(_STORE_URL.sub(r"\1://...", error.message))
        raise
    except (TWError, OSError, ValueError) as error:
        if isinstance(error, TWAmbiguousTitleError):
            _show_candidates(error)
        else:
            echo_err(f"Error: {_text_of(error)}")
        raise SystemExit(exit_code(error)) from None


def exit_code(error: BaseException) -> int:
    """The exit code for *error*."""
    return next(code for kinds, code in _CODES if isinstance(error, kinds))


def raise_usage_error(text: str) -> NoReturn:
    """End the command: it can't be meant so."""
    raise click.UsageError(text) from None


def raise_not_found(text: str) -> NoReturn:
    """End the command: there is no such thing."""
    echo_err(f"Error: {text}")
    raise SystemExit(NOT_FOUND) from None


class UnusableError(click.ClickException):
    """It can't be done so."""

    exit_code = USAGE


@contextmanager
def require_extras() -> Iterator[None]:
    """Turn a package that the block lacks into a line that says what to install."""
    try:
        yield
    except ImportError as error:
        raise UnusableError(str(error)) from None


@contextmanager
def explain_interrupt() -> Iterator[None]:
    """Tell who interrupts a write what that means."""
    try:
        yield
    except KeyboardInterrupt:
        echo_err("\nInterrupted: it may have been done or not. Look before you do it again.")
        raise


def _text_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return f"{place}{error.strerror}"
    return str(error)


def _show_candidates(error: TWAmbiguousTitleError) -> None:
    echo_err(f"Error: {len(error.candidates)} chats have the title {error.title!r}:")
    for chat in error.candidates:
        members = f"{len(chat.users):,} users"
        groups = ", ".join(" ".join(group.title.split()) for group in chat.groups)
        echo_err(f"  {chat.tid}  {chat.type}, {members}{f', {groups}' if groups else ''}")
    echo_err("Take one of them by its thread ID.")


class Command(click.Command):
    """A command that says where an option goes which stands in the wrong place."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments apart."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            root = ctx.find_root()
            own = ctx.command_path[len(root.command_path) :]
            if any(error.option_name in each.opts for each in root.command.params):
                text = (
                    f"{error.option_name} goes before the command: "
                    f"{root.command_path} {error.option_name} ...{own}"
                )
            elif any(each.name in {"text", "new_title"} for each in self.params):
                text = (
                    f"there is no option {error.option_name}. A text that begins with a dash goes "
                    f"behind two dashes: {ctx.command_path} ... -- TEXT"
                )
            else:
                raise
        raise click.UsageError(text, ctx)


class CommandGroup(click.Group):
    """A group of such commands."""

    command_class = Command


class MainGroup(CommandGroup):
    """The group of all commands, whose failures have exit codes."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Take the options before the command apart."""
        with exit_on_error():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with exit_on_error():
            return super().invoke(ctx)
