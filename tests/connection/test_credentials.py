"""Where the credentials come from, and which are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamwire_sync import Connection, TWConfigError
from teamwire_sync._http.credentials import Credentials, check_url, find_credentials
from teamwire_sync._internal.hosts import is_loopback
from teamwire_sync._profiles import Profile
from tests.support.leaks import assert_no_secret
from tests.support.tables import unlike

URL = "https://teamwire.example"
SECRET = "tOp%s3cret%(x)s"
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")


def write_ini(path: Path, text: str, *, mode: int = 0o600, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    path.chmod(mode)
    return path


def profile(name: str = "default", **values: str) -> str:
    given = {"app_id": "app-of-file", "secret": SECRET, "url": URL, **values}
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in given.items())


def hides_the_secret(error: BaseException) -> None:
    assert_no_secret(error, SECRET)


@pytest.fixture
def default_file(tmp_path: Path) -> Path:
    return tmp_path / "teamwire_sync" / "config.ini"


class TestFinding:
    def test_arguments_come_first(
        self, monkeypatch: pytest.MonkeyPatch, default_file: Path
    ) -> None:
        for name in ("APP_ID", "SECRET", "URL"):
            monkeypatch.setenv(f"TEAMWIRE_{name}", "of the environment")
        write_ini(default_file, profile())

        assert find_credentials("mine", "my secret", URL) == Credentials("mine", "my secret", URL)

    def test_the_environment_comes_before_the_file(
        self, monkeypatch: pytest.MonkeyPatch, default_file: Path
    ) -> None:
        write_ini(default_file, profile())
        monkeypatch.setenv("TEAMWIRE_APP_ID", "app-of-environment")

        assert find_credentials().app_id == "app-of-environment"

    def test_each_credential_is_looked_for_by_itself(
        self, monkeypatch: pytest.MonkeyPatch, default_file: Path
    ) -> None:
        write_ini(default_file, f"[default]\nurl = {URL}\n")
        monkeypatch.setenv("TEAMWIRE_SECRET", "of environment")

        assert find_credentials("mine") == Credentials("mine", "of environment", URL)

    def test_an_empty_variable_counts_as_none(
        self, monkeypatch: pytest.MonkeyPatch, default_file: Path
    ) -> None:
        write_ini(default_file, profile())
        monkeypatch.setenv("TEAMWIRE_APP_ID", "")

        assert find_credentials().app_id == "app-of-file"

    def test_the_file_is_not_read_when_nothing_is_missing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_CONFIG", str(tmp_path / "missing.ini"))

        assert find_credentials("mine", "my secret", URL).app_id == "mine"

    def test_arguments_are_strings(self) -> None:
        rows = [
            ({name: value}, TypeError, rf"^{name} must be a str, not {type(value).__name__}$")
            for name in ("app_id", "secret", "url")
            for value in (5, b"x", ["x"])
        ]

        assert unlike(lambda given: find_credentials(**given), rows) == []

    def test_an_empty_argument_is_not_looked_for_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_APP_ID", "of another bot")

        with pytest.raises(TWConfigError, match=r"^app_id must be"):
            find_credentials("", SECRET, URL)

    def test_the_secret_is_in_no_repr(self) -> None:
        assert SECRET not in repr(find_credentials("mine", SECRET, URL))

    def test_the_connection_looks_in_the_same_places(self, default_file: Path) -> None:
        write_ini(default_file, profile())

        with Connection() as connection:
            assert URL in repr(connection)


class TestMissing:
    def test_all_three_ways_are_named(self, default_file: Path) -> None:
        with pytest.raises(TWConfigError) as caught:
            find_credentials("mine")

        text = str(caught.value)
        assert text.startswith("secret, url missing: ")
        assert "Connection(secret=..., url=...)" in text
        assert "TEAMWIRE_SECRET, TEAMWIRE_URL" in text
        assert f"[default] of the file {default_file}" in text

    def test_what_is_there_is_not_asked_for(self) -> None:
        with pytest.raises(TWConfigError) as caught:
            find_credentials("mine", SECRET)

        assert str(caught.value).startswith("url missing: pass Connection(url=...), or set ")
        assert "TEAMWIRE_APP_ID" not in str(caught.value)
        assert_no_secret(caught.value, SECRET, "mine")

    def test_the_profile_is_named(
        self, monkeypatch: pytest.MonkeyPatch, default_file: Path
    ) -> None:
        write_ini(default_file, "[work]\napp_id = x\n")
        monkeypatch.setenv("TEAMWIRE_PROFILE", "work")

        with pytest.raises(TWConfigError, match=r"^secret, url missing:.* section \[work\]"):
            find_credentials()

    def test_a_file_without_the_default_section_gives_nothing(self, default_file: Path) -> None:
        write_ini(default_file, profile("work"))

        with pytest.raises(TWConfigError, match=r"^app_id, secret, url missing:"):
            find_credentials()


class TestPath:
    @pytest.mark.parametrize("path", ["/a/x.ini", "x.ini", "./~/x.ini"])
    def test_the_variable_names_it(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEAMWIRE_CONFIG", path)

        assert Profile().path == Path(path)

    def test_a_tilde_is_the_home_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_CONFIG", "~/x.ini")

        assert Profile().path == tmp_path / "x.ini"

    def test_else_it_is_in_the_configuration_folder(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("XDG_CONFIG_HOME", "APPDATA"):
            monkeypatch.setenv(name, str(tmp_path / "settings"))

        assert Profile().path == tmp_path / "settings" / "teamwire_sync" / "config.ini"

    @pytest.mark.parametrize("folder", [None, "", "settings", "./settings", "~nobody-of-this-name"])
    def test_else_it_is_in_the_home_folder(
        self, folder: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A variable with a relative path is ignored."""
        for name in ("XDG_CONFIG_HOME", "APPDATA"):
            monkeypatch.delenv(name)
            if folder is not None:
                monkeypatch.setenv(name, folder)

        assert Profile().path == tmp_path / ".config" / "teamwire_sync" / "config.ini"


class TestNoHome:
    @pytest.mark.usefixtures("homeless")
    def test_there_is_no_file(self) -> None:
        assert Profile().path is None

    def test_no_file_of_the_working_directory_counts(
        self, homeless: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another user may have written the file, and the Secret would go to the URL in it."""
        monkeypatch.setenv("TEAMWIRE_SECRET", SECRET)
        for folder in ("~", "home", "."):
            path = homeless / folder / ".config" / "teamwire_sync" / "config.ini"
            write_ini(path, profile())

        with pytest.raises(TWConfigError, match=r"^app_id, url missing: .* TEAMWIRE_CONFIG names"):
            find_credentials()

    @pytest.mark.usefixtures("homeless")
    @pytest.mark.parametrize(
        ("variable", "value"), [("TEAMWIRE_CONFIG", "~/x.ini"), ("TEAMWIRE_PROFILE", "work")]
    )
    def test_a_file_that_was_asked_for_must_be_there(
        self, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, value)

        with pytest.raises(TWConfigError, match=r"^there is no home folder for the config file: "):
            find_credentials()

    def test_a_file_that_is_named_is_read(
        self, homeless: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_ini(homeless / "x.ini", profile())
        monkeypatch.setenv("TEAMWIRE_CONFIG", "x.ini")

        assert find_credentials().url == URL


class TestFile:
    def test_gives_all_three(self, default_file: Path) -> None:
        write_ini(default_file, profile())

        assert find_credentials() == Credentials("app-of-file", SECRET, URL)

    def test_names_have_no_case(self, default_file: Path) -> None:
        write_ini(default_file, f"[default]\nApp_ID = a\nSECRET = {SECRET}\nUrl = {URL}\n")

        assert find_credentials() == Credentials("a", SECRET, URL)

    def test_a_byte_order_mark_is_no_fault(self, default_file: Path) -> None:
        write_ini(default_file, profile(), encoding="utf-8-sig")

        assert find_credentials().app_id == "app-of-file"

    def test_is_utf_8(self, default_file: Path) -> None:
        write_ini(default_file, profile(secret="pässwörd"))

        assert find_credentials().secret == "pässwörd"

    def test_a_profile_is_a_section(
        self, default_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_ini(default_file, profile() + profile("work", app_id="at-work"))
        monkeypatch.setenv("TEAMWIRE_PROFILE", "work")

        assert find_credentials().app_id == "at-work"

    def test_no_section_lends_its_values_to_another(
        self, default_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_ini(default_file, profile("DEFAULT") + "[work]\napp_id = at-work\n")
        monkeypatch.setenv("TEAMWIRE_PROFILE", "work")

        with pytest.raises(TWConfigError, match=r"^secret, url missing:"):
            find_credentials()

    def test_a_profile_that_is_not_there(
        self, default_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_ini(default_file, profile() + profile("work"))
        monkeypatch.setenv("TEAMWIRE_PROFILE", "wrk")

        with pytest.raises(TWConfigError, match=r"'wrk'.*config\.ini has only .*: default, work$"):
            find_credentials()

    @pytest.mark.parametrize(
        "names",
        [("TEAMWIRE_CONFIG",), ("TEAMWIRE_PROFILE",), ("TEAMWIRE_CONFIG", "TEAMWIRE_PROFILE")],
        ids=" and ".join,
    )
    def test_a_file_that_was_asked_for_must_be_there(
        self, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in names:
            monkeypatch.setenv(name, str(tmp_path / "missing.ini"))

        with pytest.raises(TWConfigError, match=rf"^{' and '.join(names)} is set, .*\.ini$"):
            find_credentials()

    def test_what_is_no_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("TEAMWIRE_CONFIG", str(tmp_path))

        with pytest.raises(TWConfigError, match=r"^can't read the file .*: "):
            find_credentials()

    @pytest.mark.parametrize(
        "text",
        [
            f"secret = {SECRET}\n",
            f"[default]\n{SECRET}\n",
            f"[default]\nsecret = {SECRET}\nsecret = {SECRET}\n",
            f"[default]\nsecret = {SECRET}\n[default]\n",
            f"[default\nsecret = {SECRET}\n",
            f"[{SECRET}]\n[{SECRET}]\n",
            f"  {SECRET}\n[default]\n",
        ],
        ids=[
            "no section",
            "no equals sign",
            "twice",
            "section twice",
            "no bracket",
            "secret as section twice",
            "indented",
        ],
    )
    def test_what_is_no_ini_file_is_not_quoted(self, text: str, default_file: Path) -> None:
        write_ini(default_file, text)

        with pytest.raises(
            TWConfigError, match=r"^the file .*config\.ini is not an INI file"
        ) as caught:
            find_credentials()
        assert_no_secret(caught.value, SECRET)
        assert caught.value.__context__ is None

    def test_a_section_of_defaults_is_pointed_out(self, default_file: Path) -> None:
        write_ini(default_file, profile("DEFAULT", app_id="a"))

        with pytest.raises(TWConfigError, match=r"must be named \[default\], in lower case"):
            find_credentials()

    def test_the_line_that_is_wrong_is_numbered(self, default_file: Path) -> None:
        write_ini(default_file, f"[default]\nsecret = {SECRET}\nsecret = {SECRET}\n")

        with pytest.raises(TWConfigError, match=r"DuplicateOptionError in line 3$"):
            find_credentials()

    def test_what_is_no_text_is_not_quoted(self, default_file: Path) -> None:
        write_ini(default_file, profile(secret=f"{SECRET}ä"), encoding="latin-1")

        with pytest.raises(TWConfigError, match="is not an INI file: UnicodeDecodeError") as caught:
            find_credentials()
        assert_no_secret(caught.value, SECRET)

    def test_an_empty_value_is_refused_by_name(self, default_file: Path) -> None:
        write_ini(default_file, profile(secret=""))

        with pytest.raises(TWConfigError, match=r"^secret (missing|must be)"):
            find_credentials()

    @POSIX
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644], ids=oct)
    def test_a_file_that_others_can_read_is_warned_about(
        self, mode: int, default_file: Path
    ) -> None:
        write_ini(default_file, profile(), mode=mode)

        with pytest.warns(
            UserWarning, match=r"other users can read the Secret in .*chmod 600"
        ) as caught:
            find_credentials()
        assert SECRET not in str(caught[0].message)

    @POSIX
    @pytest.mark.parametrize("mode", [0o600, 0o400, 0o622], ids=oct)
    def test_a_file_that_nobody_else_can_read_is_not(self, mode: int, default_file: Path) -> None:
        write_ini(default_file, profile(), mode=mode)

        assert find_credentials().secret == SECRET

    @POSIX
    def test_the_warning_points_to_who_makes_the_connection(self, default_file: Path) -> None:
        write_ini(default_file, profile(), mode=0o644)

        with pytest.warns(UserWarning, match="other users can read") as caught:
            Connection().close()
        assert [one.filename for one in caught] == [__file__]


class TestCredentials:
    def test_white_space_around_them_is_dropped(self) -> None:
        values = ("s3cret\n", " s3cret\r\n", "\ts3cret ")
        found = {find_credentials(value, value, f" {URL}\n") for value in values}

        assert found == {Credentials("s3cret", "s3cret", URL)}

    def test_what_does_not_print_is_refused_without_quoting_it(self) -> None:
        odd = ("\n", "\0", "\x7f", "\N{NO-BREAK SPACE}", "\udc80")
        rows = [
            ((name, value), TWConfigError, rf"^{name} must be printable text; (?!.*s3c)")
            for name in ("app_id", "secret")
            for value in ("", "\n", *(f"s3c{each}ret" for each in odd))
        ]

        def find(given: tuple[str, str]) -> Credentials:
            usual = {"app_id": "app", "secret": SECRET, "url": URL}
            return find_credentials(**{**usual, given[0]: given[1]})

        assert unlike(find, rows, hides_the_secret) == []

    def test_a_colon_in_the_app_id_is_refused_without_quoting_it(self) -> None:
        with pytest.raises(TWConfigError, match=r"^app_id must not contain ':'") as caught:
            find_credentials(f"app:{SECRET}", "x", URL)
        assert_no_secret(caught.value, SECRET)

    def test_a_colon_in_the_secret_is_none_of_our_business(self) -> None:
        assert find_credentials("app", "a:b", URL).secret == "a:b"


class TestUrl:
    def test_is_used_without_a_slash_at_the_end(self) -> None:
        used = {
            URL: URL,
            f"{URL}/": URL,
            f"{URL}//": URL,
            f" {URL}/\n": URL,
            "https://teamwire.example:8443": "https://teamwire.example:8443",
            "https://teamwire.example/gateway/": "https://teamwire.example/gateway",
            "https://[2001:db8::1]:8443/": "https://[2001:db8::1]:8443",
            "HTTPS://teamwire.example": "HTTPS://teamwire.example",
            "https://münchen.example": "https://münchen.example",
        }

        assert {given: check_url(given) for given in used} == used

    def test_what_is_no_url_of_a_server(self) -> None:
        urls = (
            "",
            "teamwire.example",
            "teamwire.example:443",
            "//teamwire.example",
            "ftp://teamwire.example",
            "https://",
            "https:///v1",
            "https://teamwire.example:port",
            "https://teamwire.example:99999",
            "https://[2001:db8::1",
            "https://team wire.example",
            "https://teamwire\t.example",
            "https://teamwire\n.example",
            "https://teamwire.example/a\0b",
        )
        text = r"^url must be like 'https://backend\.example"

        assert unlike(check_url, [(url, TWConfigError, text) for url in urls]) == []

    def test_a_host_that_no_name_server_knows(self) -> None:
        """Else the first request fails in ways of its own, deep in urllib3."""
        hosts = (".teamwire.example", "a..b.example", f"{'a' * 64}.example")

        assert (
            unlike(check_url, [(f"https://{one}", TWConfigError, "^url ") for one in hosts]) == []
        )

    def test_one_with_a_password_is_refused_without_quoting_it(self) -> None:
        urls = (
            f"https://app:{SECRET}@teamwire.example",
            f"https://:{SECRET}@teamwire.example",
            f"https://{SECRET}@teamwire.example",
            f"http://app:{SECRET}@teamwire.example",
            f"ftp://app:{SECRET}@teamwire.example",
            f"https://app:{SECRET}@teamwire.example?x",
            f"https://app:{SECRET}/@teamwire.example",
            f"https://app:{SECRET}@[teamwire.example",
            f"https://app..example/{SECRET}@teamwire.example",
            f"app:{SECRET}@teamwire.example",
        )
        rows = [(url, TWConfigError, "^url must ") for url in urls]

        assert unlike(check_url, rows, hides_the_secret) == []

    def test_one_with_a_query_or_a_fragment_is_refused(self) -> None:
        tails = ("?", "#", "/?", "/#", "?a=b", "#top", "/path?a=b")
        text = r"^url must be without '\?' and '#'"

        assert unlike(check_url, [(URL + tail, TWConfigError, text) for tail in tails]) == []

    def test_a_query_is_not_quoted(self) -> None:
        with pytest.raises(TWConfigError) as caught:
            check_url(f"{URL}/?token={SECRET}")
        assert_no_secret(caught.value, SECRET)

    def test_the_prefix_of_the_api_is_not_part_of_it(self) -> None:
        right = {"/v1/bot": "", "/v1/bot/": "", "/gateway/v1/bot/": "/gateway"}
        rows = [
            (URL + tail, TWConfigError, f"^url must be without /v1/bot: {URL}{rest}$")
            for tail, rest in right.items()
        ]

        assert unlike(check_url, rows) == []

    def test_http_will_do_for_this_machine(self) -> None:
        hosts = ("localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "[::1]", "localhost:8080")

        assert [host for host in hosts if check_url(f"http://{host}") != f"http://{host}"] == []

    def test_http_will_not_do_for_others(self) -> None:
        hosts = ("teamwire.example", "10.0.0.1", "0.0.0.0", "localhost.example", "127.0.0.1.nip.io")
        rows = [
            (
                f"http://{host}:8080/x",
                TWConfigError,
                rf"https://{host}:8080.*allow_insecure_http=True",
            )
            for host in hosts
        ]

        assert unlike(check_url, rows) == []

    def test_http_will_do_when_it_is_allowed(self) -> None:
        url = "http://teamwire.example"

        assert find_credentials("a", "b", url, allow_insecure_http=True).url == url

    def test_is_loopback(self) -> None:
        hosts = {"::1": True, "127.0.0.1": True, "8.8.8.8": False, "localhost.example": False}

        assert {host: is_loopback(host) for host in hosts} == hosts


def test_a_url_in_the_place_of_the_app_id_is_pointed_out() -> None:
    with pytest.raises(TWConfigError, match=r"the order is Connection\(app_id, secret, url\)"):
        find_credentials(URL, "app", SECRET)
