"""Which transport a Connection chooses, and the settings of the environment and the file."""

from __future__ import annotations

import os
import sys
import traceback
from itertools import product
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import requests

from teamwire_sync import Connection, MemoryStore, TWConfigError, VendorTransport
from teamwire_sync import _profiles as profiles
from teamwire_sync._profiles import VARIABLES, Profile
from tests.support.leaks import assert_no_secret
from tests.support.tables import unlike

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://teamwire.example"
SECRET = "tOp%s3cret%(x)s"
CREDENTIALS = {"app_id": "app", "secret": SECRET, "url": URL}
HTTP, VENDOR = "<HttpTransport", "<VendorTransport"
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package teamwire_api that can be imported. It is never called."""
    module = ModuleType("teamwire_api")
    module.Connection = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "teamwire_api", module)
    return module


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of the config file, which does not exist."""
    path = tmp_path / "teamwire_sync" / "config.ini"
    path.parent.mkdir()
    return path


def write(path: Path, *, section: str = "default", mode: int = 0o600, **values: str) -> None:
    """Append a section to the config file."""
    with path.open("a", encoding="utf-8") as file:
        print(f"[{section}]", *(f"{k} = {v}" for k, v in values.items()), sep="\n", file=file)
    path.chmod(mode)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The config files that were opened, in order."""
    opened: list[Path] = []
    parse = profiles._parse_file

    def parse_and_count(path: Path) -> Any:
        opened.append(path)
        return parse(path)

    monkeypatch.setattr(profiles, "_parse_file", parse_and_count)
    return opened


class Situation:
    """Sets up the environment and the file, and makes a Connection.

    Args:
        monkeypatch: Sets the variables.
        file: The path of the config file.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
        self._monkeypatch, self._file = monkeypatch, file

    def set(self, env: dict[str, str | None], file: dict[str, str | None]) -> None:
        """Set the settings *env* and *file*, by name; None is not set."""
        for name, variable in VARIABLES.items():
            value = env.get(name)
            if value is None:
                self._monkeypatch.delenv(variable, raising=False)
            else:
                self._monkeypatch.setenv(variable, value)
        self._file.unlink(missing_ok=True)
        given = {name: value for name, value in file.items() if value is not None}
        if given:
            write(self._file, **given)

    def kind(self, **arguments: Any) -> str:
        """Return the kind of the transport, or of the error and what it is about."""
        try:
            with Connection(**arguments) as connection:
                return repr(connection._transport).split()[0].rstrip(">")
        except (TWConfigError, TypeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"


@pytest.fixture
def situation(monkeypatch: pytest.MonkeyPatch, file: Path) -> Situation:
    return Situation(monkeypatch, file)


@pytest.mark.usefixtures("sdk")
class TestPrecedence:
    """Arguments come before TEAMWIRE_TRANSPORT, then the file, then HTTP."""

    def test_each_combination(self, situation: Situation) -> None:
        session = requests.Session()
        arguments: list[tuple[str | None, dict[str, Any]]] = [
            (None, {}),
            ("http", CREDENTIALS),
            ("http", {**CREDENTIALS, "session": session}),
            ("http", {**CREDENTIALS, "transport": "http"}),
            ("vendor", {"transport": "vendor"}),
            ("vendor", {"transport": VendorTransport(object)}),
            ("http", {"transport": "http"}),
        ]
        wrong = []
        for (by_argument, given), by_variable, by_file in product(
            arguments, (None, "", "http", "vendor"), (None, "", "http", "vendor")
        ):
            chosen = by_argument or by_variable or by_file or "http"
            beside = {} if chosen == "vendor" else CREDENTIALS
            situation.set({"transport": by_variable, **beside}, {"transport": by_file})
            found = situation.kind(**given)
            if found != {"http": HTTP, "vendor": VENDOR}[chosen]:
                wrong.append((given, by_variable, by_file, found))
        assert wrong == []

    def test_each_combination_with_credentials_in_each_place(self, situation: Situation) -> None:
        ways, some = (None, "http", "vendor"), [(), ("url",), tuple(CREDENTIALS)]
        wrong = []
        for case in product((*ways, "credentials"), ways, ways, some, some):
            by_argument, by_variable, by_file, in_environment, in_file = case
            chosen = by_argument or by_variable or by_file
            beside = {*in_environment, *(() if by_argument or by_variable else in_file)}
            if chosen == "vendor":
                expected = "TWConfigError: trans|TWConfigError: TEAM" if beside else VENDOR
            else:
                has_all = chosen == "credentials" or {*in_environment, *in_file} == {*CREDENTIALS}
                expected = HTTP if has_all else "TWConfigError: app_i"
            env = {name: CREDENTIALS[name] for name in in_environment}
            file = {name: CREDENTIALS[name] for name in in_file}
            situation.set({"transport": by_variable, **env}, {"transport": by_file, **file})
            given = CREDENTIALS if by_argument == "credentials" else {"transport": by_argument}
            found = situation.kind(**given)
            if not found.startswith(tuple(expected.split("|"))):
                wrong.append((case, found))
        assert wrong == []

    def test_credentials_of_the_file_do_not_choose(self, situation: Situation) -> None:
        situation.set({"transport": "vendor"}, CREDENTIALS)

        assert situation.kind() == VENDOR

    def test_a_session_chooses_http(self, situation: Situation) -> None:
        situation.set({"transport": "vendor", **CREDENTIALS}, {})

        assert situation.kind(session=requests.Session()) == HTTP

    @pytest.mark.parametrize("name", CREDENTIALS)
    def test_each_credential_as_an_argument_chooses_http(
        self, situation: Situation, name: str
    ) -> None:
        others = {other: value for other, value in CREDENTIALS.items() if other != name}
        situation.set({"transport": "vendor", **others}, {})

        assert situation.kind(**{name: CREDENTIALS[name]}) == HTTP

    def test_from_vendor_ignores_all_of_them(self, situation: Situation) -> None:
        situation.set({"transport": "http", **CREDENTIALS}, {"transport": "nonsense"})

        with Connection.from_vendor() as connection:
            assert repr(connection._transport) == "<VendorTransport>"

    def test_a_profile_has_its_own(
        self, situation: Situation, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(file, **CREDENTIALS)
        write(file, section="onprem", transport="vendor")
        found = [situation.kind()]
        monkeypatch.setenv("TEAMWIRE_PROFILE", "onprem")
        found.append(situation.kind())

        assert found == [HTTP, VENDOR]

    @pytest.mark.parametrize("value", [" vendor ", "vendor\n", "\tvendor"])
    def test_white_space_around_it_is_dropped(self, situation: Situation, value: str) -> None:
        situation.set({"transport": value}, {})

        assert situation.kind() == VENDOR

    @pytest.mark.parametrize("value", [" ", "\n"])
    def test_only_white_space_counts_as_empty(self, situation: Situation, value: str) -> None:
        situation.set({"transport": value}, {"transport": "vendor"})

        assert situation.kind() == VENDOR

    def test_an_installed_sdk_is_not_chosen_by_itself(self, situation: Situation) -> None:
        situation.set({}, {})

        assert situation.kind().startswith("TWConfigError: app_id, secret, url missing: ")

    def test_a_name_for_the_log_does_not_matter_to_it(self, situation: Situation) -> None:
        situation.set({"transport": "vendor"}, {})

        assert situation.kind(app_name="my-bot") == VENDOR


class TestWrong:
    @pytest.mark.parametrize("value", ["Vendor", "VENDOR", "HTTP", "https", "http vendor", "1"])
    @pytest.mark.parametrize("place", ["environment", "file"])
    def test_a_value_is_refused_and_not_shown(
        self, situation: Situation, value: str, place: str
    ) -> None:
        wrong = {"transport": f"{value}{SECRET}"}
        situation.set(*((wrong, {}) if place == "environment" else ({}, wrong)))
        with pytest.raises(TWConfigError) as caught:
            Connection()

        source = "TEAMWIRE_TRANSPORT in the environment"
        if place == "file":
            source = r"transport in the section \[default\] of the file .*config\.ini"
        caught.match(rf"^{source} must be http or vendor$")
        assert_no_secret(caught.value, SECRET)

    def test_an_argument_is_refused(self) -> None:
        message = r"^transport must be 'http', 'vendor' or a transport such as VendorTransport\(\)"
        texts = ("", "Vendor", " vendor", "https", SECRET)
        rows: list[tuple[Any, type[Exception], str]] = [
            *((text, ValueError, f"{message}$") for text in texts),
            (VendorTransport, TypeError, f"{message}, not the class VendorTransport$"),
            (requests.Session(), TypeError, f"{message}, not Session$"),
            (True, TypeError, f"{message}, not bool$"),
            (b"vendor", TypeError, f"{message}, not bytes$"),
            (lambda: None, TypeError, f"{message}, not function$"),
        ]

        def connect(transport: Any) -> Connection:
            return Connection(transport=transport)

        assert unlike(connect, rows) == []

    @pytest.mark.usefixtures("sdk")
    def test_arguments_of_http_beside_the_vendors_sdk(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The error is about the arguments, also if the environment does not fit."""
        monkeypatch.setenv("TEAMWIRE_URL", URL)
        given = [*({name: value} for name, value in CREDENTIALS.items())]
        given.append({"session": requests.Session()})  # type: ignore[dict-item]
        message = r"^app_id, secret, url and session can't be combined with transport='vendor'$"
        rows = [(each, TypeError, message) for each in given]

        def connect(given: dict[str, Any]) -> Connection:
            return Connection(transport="vendor", **given)

        assert unlike(connect, rows) == []

    @pytest.mark.parametrize("transport", ["http", "vendor"])
    @pytest.mark.usefixtures("sdk")
    def test_a_bot_is_a_text(self, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
        if transport == "http":
            for name, value in CREDENTIALS.items():
                monkeypatch.setenv(VARIABLES[name], value)

        def connect(bot: Any) -> Connection:
            return Connection(transport=transport, bot=bot)  # type: ignore[arg-type]

        rows = [
            (5, TypeError, r"^bot must be a str, not int"),
            (b"bot", TypeError, r"^bot must be a str, not bytes"),
            ("", ValueError, r"^bot is empty$"),
        ]
        assert unlike(connect, rows) == []


@pytest.mark.usefixtures("sdk")
class TestConflicts:
    """Credentials beside the vendor's SDK are an error: which bot is meant?"""

    @pytest.mark.parametrize("name", CREDENTIALS)
    @pytest.mark.parametrize("way", ["argument", "environment", "file"])
    def test_each_variable_alone(self, situation: Situation, name: str, way: str) -> None:
        vendor = {"transport": "vendor"}
        situation.set(
            {name: CREDENTIALS[name], **(vendor if way == "environment" else {})},
            vendor if way == "file" else {},
        )
        with pytest.raises(TWConfigError) as caught:
            Connection(**vendor if way == "argument" else {})  # type: ignore[arg-type]

        text = str(caught.value)
        source = {
            "argument": "transport in the arguments",
            "environment": "TEAMWIRE_TRANSPORT in the environment",
            "file": "transport in the section [default] of the file ",
        }[way]
        assert text.startswith(source)
        assert f"settings of HTTP: {VARIABLES[name]} in the environment. They" in text
        instead = "pass transport='http'" if way == "argument" else "set TEAMWIRE_TRANSPORT=http"
        assert f" Remove them, or {instead}; see docs/connect.md" in text
        assert_no_secret(caught.value, SECRET)

    @pytest.mark.parametrize("name", CREDENTIALS)
    def test_each_line_beside_the_line_that_says_vendor(
        self, situation: Situation, name: str
    ) -> None:
        situation.set({}, {"transport": "vendor", name: CREDENTIALS[name]})
        with pytest.raises(TWConfigError) as caught:
            Connection()

        assert f"settings of HTTP: {name} in the section [default] of " in str(caught.value)
        assert_no_secret(caught.value, SECRET)

    def test_all_of_them_are_named(self, situation: Situation) -> None:
        situation.set({"url": URL, "app_id": "app"}, {"transport": "vendor", "secret": SECRET})
        with pytest.raises(TWConfigError) as caught:
            Connection()

        for name in ("TEAMWIRE_URL", "TEAMWIRE_APP_ID", "secret"):
            assert f"{name} in the " in str(caught.value)

    def test_after_the_change_that_it_asks_for_it_works(self, situation: Situation) -> None:
        situation.set({**CREDENTIALS, "transport": "http"}, {"transport": "vendor"})
        found = [situation.kind()]
        situation.set({"transport": "vendor"}, {"transport": "vendor"})
        found.append(situation.kind())

        assert found == [HTTP, VENDOR]


class TestMissing:
    def text(self) -> str:
        with pytest.raises(TWConfigError, match="missing: ") as caught:
            Connection()
        return str(caught.value)

    def test_both_ways_are_named(self) -> None:
        text = self.text()

        for part in (
            "pass Connection(app_id=..., secret=..., url=...), or set TEAMWIRE_APP_ID, ",
            ", TEAMWIRE_URL in the environment, or add app_id = ... to the section ",
            "For a Teamwire server without a gateway, use the vendor's SDK: set ",
            "set TEAMWIRE_TRANSPORT=vendor (teamwire_api is ",
            "; see docs/connect.md",
        ):
            assert part in text

    @pytest.mark.parametrize(
        ("given", "names"),
        [
            ({"app_id": "mine", "url": URL}, "app_id, url"),
            ({"transport": "http"}, "transport"),
            ({"session": requests.Session(), "secret": SECRET}, "secret, session"),
        ],
    )
    def test_arguments_that_choose_http_are_named(
        self, given: dict[str, Any], names: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The advice must help, also where the variable is set already."""
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", "vendor")

        with pytest.raises(TWConfigError, match=rf"vendor, and do not pass {names} \(teamwire"):
            Connection(**given)

    def test_the_sections_of_the_file_are_named(self, file: Path) -> None:
        write(file, section="onprem", transport="vendor")
        write(file, section="lab", **CREDENTIALS)

        assert f"{file}, or choose another section (onprem, lab) by TEAMWIRE_PROFILE. For" in (
            self.text()
        )

    def test_it_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", [])

        assert f"(teamwire_api is not installed in this Python, {sys.executable})" in self.text()

    def test_its_place_in_the_modules_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "teamwire_api", None)

        assert "teamwire_api is not installed" in self.text()

    @pytest.mark.usefixtures("sdk")
    def test_it_is_a_module_without_a_spec(self) -> None:
        assert "(teamwire_api is installed)" in self.text()

    def test_a_finder_that_raises(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Finder:
            def find_spec(self, *_: object) -> None:
                raise ImportError

        monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])

        assert "teamwire_api is not installed" in self.text()

    def test_it_is_found_and_not_imported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "teamwire_api.py").write_text("raise SystemExit('imported')\n")
        monkeypatch.syspath_prepend(tmp_path)

        assert "(teamwire_api is installed)" in self.text()
        assert "teamwire_api" not in sys.modules

    def test_a_broken_package_is_named_when_it_is_chosen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "teamwire_api.py").write_text("import not_there_at_all\n")
        monkeypatch.syspath_prepend(tmp_path)

        with pytest.raises(TWConfigError, match=r"can't be imported \(.*not_there_at_all.*connect"):
            Connection(transport="vendor")


QUOTED = [
    '"{}"',
    "'{}'",
    "`{}`",
    "\u2018{}\u2019",
    "\u201c{}\u201d",
    "\u201e{}\u201c",
    "\xab{}\xbb",
]
COMMENTED = ["{} # of the test", "{} ; of the test", "{}\t#\tof", "{} #"]
LEGITIMATE = {
    "app_id": ["a'b", "app's", "#1", "a#b", "a;b", '"', "x\u2019"],
    "secret": [
        "s3#cret",
        "#s3cret",
        "s3cret'",
        "'s3cret",
        'a"b',
        "two words",
        "s3cret;",
        "`s3cret",
    ],
    "url": [URL],
}


class TestSpelling:
    """Shells and people put quotes and comments where no program removes them."""

    @pytest.mark.parametrize("name", VARIABLES)
    @pytest.mark.parametrize("place", ["environment", "file"])
    def test_the_error_says_which_value_and_where(
        self, situation: Situation, name: str, place: str
    ) -> None:
        value = {**CREDENTIALS, "transport": "vendor", "bot": "the bot"}[name]
        source = f"{VARIABLES[name]} in the environment"
        if place == "file":
            source = f"{name} in the section [default] of the file "
        wrong = []
        for spelled in (*QUOTED, *COMMENTED):
            what = "quotes around it: remove" if spelled in QUOTED else "a comment behind it: write"
            given = {name: spelled.format(value)}
            situation.set(*((given, {}) if place == "environment" else ({}, given)))  # type: ignore[arg-type]
            with pytest.raises(TWConfigError) as caught:
                Profile().is_vendor() if name == "transport" else Profile().find(name)
            assert_no_secret(caught.value, SECRET)
            text = str(caught.value)
            if not text.startswith(f"the value of {source}") or f" has {what} " not in text:
                wrong.append((spelled, text))
        assert wrong == []

    @pytest.mark.parametrize("value", ["file:/folder", "redis://user:passw0rd@host"])
    def test_the_variable_of_the_store_is_checked_too(
        self, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        """Else a comment would become a part of the folder's name."""
        for spelled in (*QUOTED, *COMMENTED):
            what = "quotes around it: remove" if spelled in QUOTED else "a comment behind it: write"
            monkeypatch.setenv("TEAMWIRE_STORE", spelled.format(value))
            with pytest.raises(TWConfigError) as caught:
                Connection(**CREDENTIALS)
            text = str(caught.value)

            assert text.startswith(f"the value of TEAMWIRE_STORE in the environment has {what} ")
            assert "passw0rd" not in text

    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name in LEGITIMATE for value in LEGITIMATE[name]]
    )
    @pytest.mark.parametrize("place", ["environment", "file"])
    def test_what_only_looks_like_it_is_accepted(
        self, situation: Situation, name: str, value: str, place: str
    ) -> None:
        given = {**CREDENTIALS, name: value}
        situation.set(*((given, {}) if place == "environment" else ({}, given)))
        found = Profile().find(name)

        assert found is not None
        assert found.value == value

    @pytest.mark.parametrize("secret", ['"s3cret"', "s3cret # 1", "'s3cret'"])
    def test_an_argument_may_have_any(self, secret: str) -> None:
        with Connection("app", secret, URL) as connection:
            assert "HttpTransport" in repr(connection)

    def test_a_value_that_is_not_used_may_have_any(self, situation: Situation) -> None:
        situation.set({"app_id": '"app"', "bot": '"bot"'}, {})

        assert situation.kind(**CREDENTIALS) == HTTP


class TestReading:
    @pytest.mark.usefixtures("sdk")
    def test_the_file_is_read_once(
        self, file: Path, reads: list[Path], situation: Situation
    ) -> None:
        write(file, **CREDENTIALS)
        found = [(situation.kind(), len(reads))]
        file.unlink()
        write(file, transport="vendor", bot="the bot")
        reads.clear()
        found.append((situation.kind(store=MemoryStore()), len(reads)))
        reads.clear()
        Connection.from_vendor(store=MemoryStore()).close()

        assert found == [(HTTP, 1), (VENDOR, 1)]
        assert len(reads) == 1

    @pytest.mark.usefixtures("sdk")
    @pytest.mark.parametrize(
        "given",
        [CREDENTIALS, {"transport": "vendor"}, {"transport": "vendor", "bot": "b"}],
        ids=["credentials", "vendor", "bot"],
    )
    def test_arguments_make_the_file_needless(
        self, file: Path, reads: list[Path], situation: Situation, given: dict[str, Any]
    ) -> None:
        write(file, transport="nonsense")

        assert situation.kind(**given) in {HTTP, VENDOR}
        assert reads == []

    @pytest.mark.usefixtures("sdk")
    @pytest.mark.parametrize("variable", ["", "none", " none "])
    def test_without_a_store_no_bot_is_looked_for(
        self, reads: list[Path], monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", variable)
        Connection.from_vendor().close()

        assert reads == []

    @pytest.mark.parametrize(
        "text",
        ["no section\n", "[default]\nurl = x\nurl = y\n", "\xff"],
        ids=["no section", "twice", "no text"],
    )
    def test_a_broken_file_does_not_matter_if_the_environment_suffices(
        self, file: Path, reads: list[Path], situation: Situation, text: str
    ) -> None:
        situation.set(CREDENTIALS, {})  # type: ignore[arg-type]
        file.write_text(text, "latin-1")

        assert situation.kind() == HTTP
        assert len(reads) == 1

    def test_nor_does_an_unreadable_one(self, file: Path, situation: Situation) -> None:
        situation.set(CREDENTIALS, {})  # type: ignore[arg-type]
        file.mkdir()

        assert situation.kind() == HTTP

    def test_nor_does_a_profile_that_is_not_there(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        situation.set(CREDENTIALS, {})  # type: ignore[arg-type]
        monkeypatch.setenv("TEAMWIRE_PROFILE", "nowhere")

        assert situation.kind() == HTTP

    @pytest.mark.parametrize("missing", CREDENTIALS)
    def test_a_broken_file_is_named_if_a_credential_is_missing(
        self, file: Path, reads: list[Path], situation: Situation, missing: str
    ) -> None:
        situation.set({**CREDENTIALS, missing: None}, {})
        file.write_text("no section\n")

        assert "is not an INI file: MissingSectionHeaderError in line 1" in situation.kind()
        assert len(reads) == 1


@POSIX
class TestOtherReaders:
    @pytest.fixture(autouse=True)
    def public(self, file: Path) -> None:
        write(file, mode=0o644, **CREDENTIALS)
        write(file, section="onprem", mode=0o644, transport="vendor", bot="b")

    def test_are_warned_about_once_at_the_callers_line(self, file: Path) -> None:
        with pytest.warns(UserWarning, match="other users can read the Secret") as caught:
            Connection().close()

        (warning,) = caught
        assert (warning.filename, str(file) in str(warning.message)) == (__file__, True)
        assert SECRET not in str(warning.message)

    def test_do_not_matter_if_the_secret_is_not_of_the_file(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_SECRET", SECRET)

        assert situation.kind() == HTTP

    @pytest.mark.usefixtures("sdk")
    def test_do_not_matter_to_a_section_without_a_secret(
        self, situation: Situation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_PROFILE", "onprem")

        assert situation.kind() == VENDOR


class TestSecrecy:
    def test_no_repr_shows_the_secret(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(file, **CREDENTIALS)
        monkeypatch.setenv("TEAMWIRE_TRANSPORT", SECRET)
        profile = Profile()

        for shown in (profile, profile.environment, profile.file, profile.find("secret")):
            assert SECRET not in repr(shown)

    @pytest.mark.parametrize("name", ["transport", "secret", "bot"])
    @pytest.mark.parametrize("place", ["environment", "file"])
    @pytest.mark.usefixtures("sdk")
    def test_no_traceback_with_local_variables_shows_it(
        self, situation: Situation, name: str, place: str
    ) -> None:
        wrong = {name: f'"{SECRET}"'}
        if name == "bot":
            wrong["transport"] = "vendor"
        situation.set(*((wrong, {}) if place == "environment" else ({}, wrong)))
        with pytest.raises(TWConfigError) as caught:
            Connection(store=MemoryStore())

        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        ours = [frame for frame in shown.stack if "/tests/" not in frame.filename]
        assert ours
        assert SECRET not in "".join(str(frame.locals) for frame in ours)


@pytest.mark.usefixtures("sdk")
class TestBot:
    """Whose chats a store keeps."""

    @pytest.mark.parametrize("source", ["argument", "environment", "file"])
    def test_can_be_given_in_each_place(self, situation: Situation, source: str) -> None:
        bots = {"argument": "by argument", "environment": "by environment", "file": "by file"}
        order = list(bots)[list(bots).index(source) :]
        situation.set(
            {"transport": "vendor", "bot": bots["environment"] if "environment" in order else None},
            {"bot": bots["file"]},
        )
        given = {"bot": bots["argument"]} if "argument" in order else {}
        with Connection(store=MemoryStore(), **given) as connection:  # type: ignore[arg-type]
            assert connection._transport.identity == f"vendor {bots[source]}"

    @pytest.mark.parametrize("place", ["environment", "file"])
    def test_is_found_by_from_vendor_too(self, situation: Situation, place: str) -> None:
        bot = {"bot": "mine"}
        situation.set(*((bot, {}) if place == "environment" else ({}, bot)))  # type: ignore[arg-type]
        with Connection.from_vendor(store=MemoryStore()) as connection:
            assert connection._transport.identity == "vendor mine"

    def test_is_asked_for_by_name(self, situation: Situation) -> None:
        situation.set({"transport": "vendor"}, {})
        text = situation.kind(store=MemoryStore())

        assert "Connection.from_vendor(bot=...) or VendorTransport(bot=...), TEAMWIRE_BOT" in text
