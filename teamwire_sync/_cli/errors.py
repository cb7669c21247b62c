"""Failures of commands: a line on stderr, and an exit code for scripts."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from teamwire_sync._cli.output import echo_err, echo_status, escape_lines
from teamwire_sync._display.html import count_of
from teamwire_sync._internal.signals import not_by_signal
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

    from teamwire_sync._models.chats import Chat

NOT_FOUND = 1
USAGE = 2
AUTH = 3
NETWORK = 4
SERVER = 5
UNKNOWN = 6
INTERRUPTED = 130
BROKEN_PIPE = 141

# The largest number of candidates that are listed.
_SHOWN = 20

# The URL may contain a password. If it is in the wrong place, the error of click repeats it.
_STORE_URL = re.compile(r"\b(rediss?|unix)://.*", re.DOTALL | re.IGNORECASE)

# Calls of Python in the library's errors, and the text for a user of the shell.
_FOR_THE_SHELL = [
    (r" \(an argument may have any value\)", ""),
    (r"set (TEAMWIRE_TRANSPORT=vendor)", "pass --vendor or set \\1"),
    (r"(?<=Remove them, )or (?=set|write)", "pass --vendor to ignore them, or "),
    (r" by TEAMWIRE_PROFILE", " by --profile"),
    (r"do not pass url", "do not pass --url"),
    (r"pass Connection\([^)]*\), or (?=set|add)", ""),
    (r": Connection\(bot=\.\.\.\), .*\(bot=\.\.\.\), ", ": "),
    (r"omit store=\.\.\. and set TEAMWIRE_STORE=none", "pass --store none"),
    (r"connection\.chats\.get_subscriptions\([^)]*\) lists", '"teamwire-sync chats list" lists'),
    (r"chat\.get_messages\(\) has", '"teamwire-sync messages" shows'),
    (r"pass (the path of the CA's certificate) to ConnectionConfig\(verify=\.\.\.\)",
     r"set REQUESTS_CA_BUNDLE to \1"),
    (r"\(or ConnectionConfig\([^)]*\), or (?=TEAMWIRE_ALLOW)",
     "(or, in a network that you trust, pass --allow-insecure-http or set "),
    (r": ConnectionConfig\(cert=\.\.\.\)| \(ConnectionConfig\([^)]*\)\)", ""),
    (r"the order is Connection\([^)]*\)", "are App ID, Secret and URL in the wrong order?"),
]  # fmt: skip

# The first match applies. Every other TWError is a failure of the server.
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
    """Turn an exception of the block into a line on stderr and the process's exit code."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except not_by_signal(BrokenPipeError):  # the reader of the pipe has closed it
        raise SystemExit(BROKEN_PIPE) from None
    except (KeyboardInterrupt, click.Abort):
        echo_status("")
        raise SystemExit(INTERRUPTED) from None
    except click.ClickException as error:
        if sys.stderr is None:  # click would print the error on stdout, among the data
            raise SystemExit(error.exit_code) from None
        vars(error)["message"] = escape_lines(_STORE_URL.sub(r"\1://...", error.message))
        raise
    except not_by_signal(TWError, OSError, ValueError) as error:
        if isinstance(error, TWAmbiguousTitleError):
            raise_candidates(
                f"{len(error.candidates)} chats have the title {error.title!r}",
                list(map(_line_of, error.candidates)),
                "Name the chat by its thread ID.",
            )
        echo_err(f"Error: {text_of(error)}")
        raise SystemExit(exit_code(error)) from None


def exit_code(error: BaseException) -> int:
    """Return the exit code for *error*."""
    return next(code for kinds, code in _CODES if isinstance(error, kinds))


def raise_usage_error(text: str) -> NoReturn:
    """End the command because its usage is wrong."""
    raise click.UsageError(text) from None


def raise_failed_check(error: TWError, way: str, *lines: str) -> NoReturn:
    """End the command because *error* was raised by the check of the settings.

    Args:
        error: The error.
        way: The way to the server that was checked.
        lines: More lines for stderr.
    """
    for line in (f"Error: {text_of(error)}; this was {way}", *lines):
        echo_err(line)
    raise SystemExit(exit_code(error)) from None


def raise_not_found(text: str) -> NoReturn:
    """End the command because the object does not exist."""
    echo_err(f"Error: {text}")
    raise SystemExit(NOT_FOUND) from None


class UnusableError(click.ClickException):
    """The error of a command that the installation or an argument does not allow."""

    exit_code = USAGE


@contextmanager
def require_extras() -> Iterator[None]:
    """Turn an ImportError of the block into an error line that names what to install."""
    try:
        yield
    except not_by_signal(ImportError) as error:
        raise UnusableError(str(error)) from None


@contextmanager
def explain_interrupt() -> Iterator[None]:
    """If the user interrupts a write, warn that the server may have made the change."""
    try:
        yield
    except KeyboardInterrupt:
        echo_err(
            "\nInterrupted: the server may or may not have made the change. "
            "Check before you run the command again."
        )
        raise


def text_of(error: Exception) -> str:
    """Return the text of *error* for a user of the shell."""
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return f"{place}{error.strerror}"
    text = str(error)
    for call, instead in _FOR_THE_SHELL:
        text = re.sub(call, instead, text)
    return text


def raise_candidates(text: str, candidates: list[str], advice: str) -> NoReturn:
    """End the command because a name is not that of exactly one object.

    Args:
        text: The text of the error.
        candidates: A line for each object that the user may mean.
        advice: The last line.
    """
    echo_err(f"Error: {text}:")
    for line in candidates[:_SHOWN]:
        echo_err(f"  {line}")
    if len(candidates) > _SHOWN:
        echo_err(f"  and {len(candidates) - _SHOWN:,} more")
    echo_err(advice)
    raise SystemExit(NOT_FOUND) from None


def _line_of(chat: Chat) -> str:
    groups = [" ".join(group.title.split()) for group in chat.groups]
    return f"{chat.tid}  {', '.join((chat.type, count_of(len(chat.users), 'user'), *groups))}"


def _refuse_empty_options(ctx: click.Context) -> None:
    """Raise a usage error if the value of an option is empty, as an unset variable is."""
    for each in ctx.command.params:
        value = ctx.params.get(each.name or "")
        values = value if isinstance(value, tuple) else (value,)
        may_be_empty = isinstance(each, click.Argument) or each.name in {"title", "message"}
        if not may_be_empty and any(isinstance(one, str) and not one.strip() for one in values):
            text = "it is empty"
            raise click.BadParameter(text, ctx, each)


class Command(click.Command):
    """A command whose error names the right place of a misplaced option or text."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments."""
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            root = ctx.find_root()
            own = ctx.command_path[len(root.command_path) :]
            if any(error.option_name in each.opts for each in root.command.params):
                text = (
                    f"{error.option_name} must come before the command: "
                    f"{root.command_path} {error.option_name} ...{own}"
                )
            elif any(each.name in {"text", "new_title"} for each in self.params):
                text = (
                    f"there is no option {error.option_name}. Put two dashes before a text that "
                    f"begins with a dash: {ctx.command_path} ... -- TEXT"
                )
            else:
                raise
        else:
            _refuse_empty_options(ctx)
            return rest
        raise click.UsageError(text, ctx)


class CommandGroup(click.Group):
    """A group of `Command` objects."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments before the command."""
        rest = super().parse_args(ctx, args)
        _refuse_empty_options(ctx)
        return rest


class MainGroup(CommandGroup):
    """The group of all commands; it turns each failure into an exit code."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the options before the command."""
        with exit_on_error():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with exit_on_error():
            return super().invoke(ctx)
