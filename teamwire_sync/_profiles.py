"""The settings of the environment and of the config file, and the choice of the transport."""

from __future__ import annotations

import configparser
import os
import re
import stat
import sys
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from warnings import warn

from attrs import frozen

from teamwire_sync._internal.home import expand, user_folder
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from types import FrameType

NO_HOME = (
    "there is no home folder for the config file: set HOME to an absolute path, or "
    "TEAMWIRE_CONFIG to the path of the file"
)
"""The text of the error if there is no home folder."""

HTTP: Final = "http"
VENDOR: Final = "vendor"
WAYS = (HTTP, VENDOR)

CREDENTIALS = {
    "app_id": "TEAMWIRE_APP_ID",
    "secret": "TEAMWIRE_SECRET",
    "url": "TEAMWIRE_URL",
}
"""The environment variable of each credential."""

VARIABLES = {**CREDENTIALS, "transport": "TEAMWIRE_TRANSPORT", "bot": "TEAMWIRE_BOT"}
"""The environment variable of each setting that a section of the config file can have."""

_QUOTES = ("''", '""', "``", "\u2018\u2019", "\u201c\u201d", "\u201e\u201c", "\xab\xbb")
_COMMENT = re.compile(r"\s[#;](\s|$)")


@frozen
class Setting:
    """A setting, and where it comes from.

    Attributes:
        value: The value.
        name: The name of the variable, or of the line in the section.
        place: The place: the environment, or a section of the config file.
        is_exposed: Whether the setting is a Secret in a file that other users can read.
    """

    value: Secret
    name: str
    place: str
    is_exposed: bool = False

    @property
    def source(self) -> str:
        """The name and the place; an option of the shell is both."""
        return self.name if self.name == self.place else f"{self.name} in {self.place}"


class Profile:
    """The settings of the environment and of one section of the config file.

    The file is read when one of its settings is needed for the first time.

    A command of the shell can name the file or the section by an option. Then the environment does
    not count, because its variables may be those of another bot.

    Args:
        file: The path of the config file, the value of ``--config``; None for the default.
        section: The section, the value of ``--profile``; None for the default.

    Attributes:
        options: The names of these options, if they are given.
        environment: The settings of the environment, by name.
        ignored: The variables of the environment that do not count.
        section: The name of the section.
        path: The path of the config file; None if there is no home folder.
    """

    def __init__(self, file: str | None = None, section: str | None = None) -> None:
        given = {"--profile": section, "--config": file}
        self.options = [option for option, value in given.items() if value is not None]
        self.environment = {
            name: Setting(Secret(os.environ[variable].strip()), variable, "the environment")
            for name, variable in VARIABLES.items()
            if os.environ.get(variable, "").strip()
        }
        self.ignored: list[str] = []
        if self.options:
            self.ignored = [VARIABLES[name] for name in self.environment]
            self.environment = {}
        # The option or the variable that names the file, and the one that names the section.
        self._file_by, file = _named("--config", file, "TEAMWIRE_CONFIG")
        self._section_by, section = _named("--profile", section, "TEAMWIRE_PROFILE")
        self.section = section or "default"
        self.path = _config_path(file)

    @cached_property
    def sections(self) -> dict[str, dict[str, Setting]]:
        """The settings of each section of the file, by name.

        Raises:
            TWConfigError: The config file can't be read.
        """
        asked_by = [name for name in (self._file_by, self._section_by) if name]
        if self.path is not None:
            return _read_file(self.path, asked_by)
        if asked_by:
            raise TWConfigError(NO_HOME)
        return {}

    @property
    def file(self) -> dict[str, Setting]:
        """The settings of the section, by name.

        Raises:
            TWConfigError: The config file can't be read, or does not have the section.
        """
        if self.section in self.sections:
            return self.sections[self.section]
        if self._section_by:
            names = ", ".join(self.sections) or "none"
            wrong = f"{self._section_by} is {self.section!r}"
            message = f"{wrong}, but {self.path} has only the sections: {names}"
            raise TWConfigError(message)
        if "DEFAULT" in self.sections:
            message = f"the section of {self.path} must be named [default], in lower case"
            raise TWConfigError(message)
        return {}

    def get(self, name: str) -> Setting | None:
        """Return a setting of the environment, else of the file, or None.

        Raises:
            TWConfigError: The config file can't be read.
        """
        return self.environment.get(name) or self.file.get(name)

    def find(self, name: str) -> Setting | None:
        """Return the same as `get`, for use.

        Raises:
            TWConfigError: The config file can't be read, or the value has quotes or a comment.
        """
        found = self.get(name)
        problem = None if found is None else problem_of_spelling(found)
        if problem:
            message = f"{problem} (an argument may have any value)"
            raise TWConfigError(message)
        if found is not None and found.is_exposed:
            warn(
                f"other users can read the Secret in {self.path}; run: chmod 600 {self.path}",
                UserWarning,
                stacklevel=_callers_level(),
            )
        return found

    def is_vendor(self, given: str | None = None) -> bool:
        """Return whether to use the vendor's SDK, else HTTP.

        Args:
            given: The argument *transport* of the program, ``http``, ``vendor`` or None.

        Raises:
            TWConfigError: The setting is neither of them, or credentials are set beside ``vendor``.
        """
        file: dict[str, Setting] = {}
        chosen = self.environment.get("transport")
        if given is not None:
            chosen = Setting(Secret(given), "transport", "the arguments")
        elif chosen is None:
            file = self._file_unless_needless()
            chosen = file.get("transport")
        if chosen is None or chosen.value == HTTP:
            return False
        beside = [*self.environment.items(), *file.items()]
        others = [each.source for name, each in beside if name in CREDENTIALS]
        if chosen.value != VENDOR:
            # Do not quote the value, which may be the Secret by mistake.
            problem = problem_of_spelling(chosen) or f"{chosen.source} must be http or vendor"
            raise TWConfigError(problem)
        if others:
            instead = "set TEAMWIRE_TRANSPORT=http" if given is None else "pass transport='http'"
            if self.options:
                instead = "write transport = http"
            message = (
                f"{chosen.source} is vendor, but there are also settings of HTTP: "
                f"{', '.join(others)}. They are not passed to the vendor's SDK. Remove them, or "
                f"{instead}; see docs/connect.md"
            )
            raise TWConfigError(message)
        return True

    def _file_unless_needless(self) -> dict[str, Setting]:
        try:
            return self.file
        except not_by_signal(TWConfigError):
            if not CREDENTIALS.keys() <= self.environment.keys():
                raise
        return {}

    def how_to_give(self, missing: list[str], given: list[str]) -> str:
        """Return the text of the error if credentials are not set.

        Args:
            missing: The names of the missing credentials.
            given: The names of the arguments that choose HTTP.
        """
        arguments = ", ".join(f"{name}=..." for name in missing)
        variables = ", ".join(CREDENTIALS[name] for name in missing)
        path = self.path or "that TEAMWIRE_CONFIG names"
        without = f", and do not pass {', '.join(given)}" if given else ""
        if self.sections and self.section not in self.sections:
            path = f"{path}, or choose another section ({', '.join(self.sections)}) by "
            path += "TEAMWIRE_PROFILE"
        environment = f"set {variables} in the environment, or "
        step = f"set TEAMWIRE_TRANSPORT=vendor{without}"
        if self.options:
            environment, step = "", f"pass --vendor{without}"
        return (
            f"{', '.join(missing)} missing: pass Connection({arguments}), or {environment}add "
            f"{missing[0]} = ... to the section [{self.section}] of the file {path}. "
            f"{self.why_ignored()}{for_vendor(step)}"
        )

    def why_ignored(self) -> str:
        """Return a sentence about the variables of the environment that do not count, or ``""``."""
        if not self.ignored:
            return ""
        return (
            f"With {' and '.join(self.options)}, these variables of the environment do not count: "
            f"{', '.join(self.ignored)}. "
        )


def for_vendor(step: str) -> str:
    """Return the advice for a user who has a Teamwire server without a gateway.

    Args:
        step: The next step.
    """
    is_there = is_vendor_installed()
    sdk = "is installed" if is_there else f"is not installed in this Python, {sys.executable}"
    return (
        f"For a Teamwire server without a gateway, use the vendor's SDK: {step} (teamwire_api "
        f"{sdk}); see docs/connect.md"
    )


def is_vendor_installed() -> bool:
    """Return whether the vendor's SDK, ``teamwire_api``, can be found. It is not imported."""
    try:
        return find_spec("teamwire_api") is not None
    except not_by_signal(ImportError, ValueError):  # ValueError: a module without a spec
        return "teamwire_api" in sys.modules


def _named(option: str, value: str | None, variable: str) -> tuple[str | None, str | None]:
    """Return the option or else the variable that has a value, and the value."""
    name, value = (variable, os.environ.get(variable)) if value is None else (option, value)
    return (name, value) if value else (None, None)


def _config_path(given: str | None) -> Path | None:
    """Return the path of the config file; None if there is no home folder.

    Args:
        given: The path that the program or the user names, or None for the default.
    """
    if given:
        path = expand(given)
        return None if path is None else Path(path)
    folder = user_folder("APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME", "~/.config")
    return None if folder is None else Path(folder, "teamwire_sync", "config.ini")


def _read_file(path: Path, asked_by: list[str]) -> dict[str, dict[str, Setting]]:
    try:
        return _parse_file(path)
    except not_by_signal(FileNotFoundError):
        if not asked_by:
            return {}
        problem = f"{' and '.join(asked_by)} is set, but there is no file {path}"
    except not_by_signal(OSError) as error:
        problem = f"can't read the file {path}: {error.strerror}"
    except not_by_signal(configparser.Error, UnicodeDecodeError) as error:
        # Not the text of the parser's error: it quotes the line, which may contain the Secret.
        lines = [number for number, _ in getattr(error, "errors", ())]
        line = getattr(error, "lineno", None) or (lines[0] if lines else "?")
        problem = f"the file {path} is not an INI file: {type(error).__name__} in line {line}"
    raise TWConfigError(problem)


def _parse_file(path: Path) -> dict[str, dict[str, Setting]]:
    """Return the settings in each section of the file."""
    # The parser must not be a local variable of _read_file: Sentry shows the content of mappings.
    # No interpolation, because a Secret may contain '%'. No section of defaults, because the values
    # in [DEFAULT] would apply to every profile.
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    with path.open(encoding="utf-8-sig") as file:
        mode = os.fstat(file.fileno()).st_mode
        parser.read_file(file)
    is_public = os.name != "nt" and bool(mode & (stat.S_IRGRP | stat.S_IROTH))
    return {
        section: {
            name: Setting(
                Secret(parser[section][name]),
                name,
                f"the section [{section}] of the file {path}",
                is_exposed=is_public and name == "secret",
            )
            for name in VARIABLES
            if parser[section].get(name)
        }
        for section in parser.sections()
    }


# This returns the text of the problem, and never raises: a reporter that shows local variables
# would show the value.


def problem_of_spelling(setting: Setting) -> str | None:
    """Return what is wrong if the value has quotes or a comment, else None."""
    text = setting.value.reveal()
    what = None
    if text[:1] + text[-1:] in _QUOTES and len(text) > 1:
        what = "has quotes around it: remove the quotes"
    elif _COMMENT.search(text):
        what = "has a comment behind it: write the comment on a line of its own"
    return what and f"the value of {setting.source} {what}"


def _callers_level() -> int:
    """Return the ``stacklevel`` of the first caller outside of this package."""
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("teamwire_sync."):
        level, frame = level + 1, frame.f_back
    return level
