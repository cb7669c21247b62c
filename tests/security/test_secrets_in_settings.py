"""A marked Secret is given in all ways and places, and looked for in what comes of it."""

from __future__ import annotations

import os
from functools import partial
from itertools import permutations, product
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, TWConfigError
from teamwire_sync._http.credentials import check_url, find_credentials
from tests.support.leaks import (
    PLAIN,
    fields_of,
    leaks,
    leaks_of,
    no_leaks,
    shown_by,
)
from tests.support.quotes import APP_ID, URL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A rejected Secret is in no error either.
REFUSED = {
    "a newline inside": "mArk3d-7f3a9c\n1e5b2d8460",
    "control characters": "\x1b[31mmArk3d-7f3a9c1e5b2d8460\x07",
    "a lone surrogate": "mArk3d-7f3a9c1e5b2d8460\udc80",
    "a no-break space": "mArk3d-7f3a9c\N{NO-BREAK SPACE}1e5b2d8460",
}
URLS = {
    "password": f"https://app:{PLAIN}@teamwire.example",
    "user": f"https://{PLAIN}@teamwire.example",
    "password with a slash": f"https://app:{PLAIN}/@teamwire.example",
    "password without https": f"app:{PLAIN}@teamwire.example",
    "path": f"https://teamwire.example/{PLAIN}",
    "path with a query": f"https://teamwire.example/{PLAIN}/?x",
    "path of the API": f"https://teamwire.example/{PLAIN}/v1/bot",
    "quoted path": "https://teamwire.example/" + PLAIN.replace("-", "%2d"),
    "path over http": f"http://teamwire.example/{PLAIN}",
    "query": f"https://teamwire.example/?secret={PLAIN}",
    "fragment": f"https://teamwire.example/#{PLAIN}",
    "port": f"https://teamwire.example:{PLAIN}",
    "nothing else": PLAIN,
    "relative": f"//{PLAIN}",
    "no host": f"https:///{PLAIN}",
    "bad address": f"https://[::1/{PLAIN}",
    "other scheme": f"ftp://teamwire.example/{PLAIN}",
}
FILES = [
    f"secret = {PLAIN}\n",
    f"[default]\n{PLAIN}\n",
    f"[default]\n\t{PLAIN}\n",
    f"[default]\nsecret = {PLAIN}\nsecret = {PLAIN}\n",
    f"[default]\nsecret = {PLAIN}\n[default]\n",
    f"[default\nsecret = {PLAIN}\n",
    f"[{PLAIN}]\n[{PLAIN}]\n",
    f"[default]\n= {PLAIN}\n",
    f"[default]\nsecret = {PLAIN}\n",
    f"[default]\nsecret = {PLAIN}\n  {PLAIN}\nurl = {URL}\napp_id = x\n",
    f"[DEFAULT]\nsecret = {PLAIN}\n",
    f"[other]\nsecret = {PLAIN}\n",
    f"[default]\nother = {PLAIN}\n",
    f"[default]\nsecret = {PLAIN}\ud8e4\n",
]
WRONG: list[dict[str, Any]] = [
    {"config": 5}, {"clock": 5}, {"session": 5}, {"app_name": 5}, {"app_name": "\n"},
    {"transport": object()}, {"url": None}, {"app_id": None}, {"app_id": f"{APP_ID}:{PLAIN}"},
]  # fmt: skip
GOOD = {"app_id": APP_ID, "secret": PLAIN, "url": URL}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.ini"


def write(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    file.chmod(0o600)


def in_each_way(file: Path, **given: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The ways to give *given*, and the arguments that are left for a Connection."""
    yield "arguments", given
    with pytest.MonkeyPatch.context() as environment:
        for name, value in given.items():
            environment.setenv(f"TEAMWIRE_{name.upper()}", value)
        yield "environment", {}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEAMWIRE_CONFIG", str(file))
        write(file, "".join(["[default]\n", *(f"{key} = {one}\n" for key, one in given.items())]))
        yield "file", {}


def connection_of(**given: Any) -> Callable[[], Connection]:
    return partial(Connection, **given)


def shown_with(given: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What a Connection of *given* shows, or the error that it comes to."""
    try:
        with Connection(**given) as connection:
            yield from [("repr", repr(connection)), ("vars", repr(fields_of(connection)))]
    except TWConfigError as error:
        yield from shown_by(error)
        return
    # Also where only the name of the program is wrong.
    with pytest.raises(ValueError, match="app_name") as caught:
        Connection(**given, app_name="\n")
    yield from shown_by(caught.value)


class TestWrongPlaces:
    @no_leaks
    def test_a_secret_that_is_refused_is_not_shown(self, file: Path) -> Iterator[str]:
        for name, secret in REFUSED.items():
            for way, given in in_each_way(file, app_id=APP_ID, secret=secret, url=URL):
                call = connection_of(**given)
                yield from leaks_of(call, TWConfigError, secret, row=f"{name}, {way}")

    @no_leaks
    def test_a_url_that_holds_it_is_refused_and_not_shown(self, file: Path) -> Iterator[str]:
        for name, url in URLS.items():
            for way, given in in_each_way(file, app_id=APP_ID, secret=PLAIN, url=url):
                call, has = connection_of(**given), "Error: url must "
                yield from leaks_of(call, TWConfigError, PLAIN, has=has, row=f"{name}, {way}")

    @no_leaks
    def test_a_url_with_a_password_of_another_is_not_shown(self) -> Iterator[str]:
        for name in [one for one in URLS if "passw" in one]:
            yield from leaks_of(partial(check_url, URLS[name]), TWConfigError, PLAIN, row=name)

    @no_leaks
    def test_arguments_in_another_order_show_no_secret(
        self, secret: str, file: Path
    ) -> Iterator[str]:
        for app_id, other, url in permutations((APP_ID, secret.strip(), URL)):
            for way, given in in_each_way(file, app_id=app_id, secret=other, url=url):
                row = f"{(app_id, other, url)}, {way}"
                yield from leaks(shown_with(given), secret, app_id, row=row)


class TestOtherErrors:
    @pytest.mark.parametrize("take", [Connection, find_credentials])
    @no_leaks
    def test_an_argument_of_a_wrong_type_is_not_shown(
        self, take: Callable[..., Any]
    ) -> Iterator[str]:
        for name, value in product(GOOD, (PLAIN.encode(), [PLAIN], {PLAIN: 1})):
            call = partial(take, **{**GOOD, name: value})
            has = f"TypeError: {name} must be a str, not "
            yield from leaks_of(call, TypeError, PLAIN, has=has, row=f"{name}={value!r}")

    @no_leaks
    def test_no_other_argument_that_is_wrong_shows_it(self, secret: str) -> Iterator[str]:
        for wrong in WRONG:
            call = connection_of(**{**GOOD, "secret": secret, **wrong})
            kinds = (TypeError, ValueError, TWConfigError)
            yield from leaks_of(call, kinds, secret, row=str(wrong))

    @no_leaks
    def test_the_environment_is_in_no_error(
        self, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> list[str]:
        """Its mapping shows all its values."""
        monkeypatch.setenv("TEAMWIRE_SECRET", secret)
        return leaks_of(Connection, TWConfigError, secret, has="Error: app_id, url missing")

    @no_leaks
    def test_a_ca_bundle_that_is_not_there_shows_no_secret(
        self, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> list[str]:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
        call = connection_of(**{**GOOD, "secret": secret})
        return leaks_of(call, TWConfigError, secret, has="Error: REQUESTS_CA_BUNDLE")

    @no_leaks
    def test_a_file_that_is_wrong_is_not_shown(
        self, monkeypatch: pytest.MonkeyPatch, file: Path
    ) -> Iterator[str]:
        monkeypatch.setenv("TEAMWIRE_CONFIG", str(file))
        for text in FILES:
            write(file, text)
            yield from leaks_of(Connection, TWConfigError, PLAIN, row=repr(text))

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
    @no_leaks
    def test_a_warning_that_is_an_error_shows_no_secret(self, file: Path) -> Iterator[str]:
        for way, given in in_each_way(file, **GOOD):
            if way == "file":
                file.chmod(0o644)
                has = "other users can read the Secret"
                yield from leaks_of(connection_of(**given), UserWarning, PLAIN, has=has)
