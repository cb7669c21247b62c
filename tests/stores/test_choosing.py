"""Which store a Connection has: the argument, else what the environment names, else none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    Connection,
    FileStore,
    MemoryStore,
    RedisStore,
    TWConfigError,
)
from teamwire_sync._stores import find_store
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from pathlib import Path


def lists(transport: FakeTransport) -> int:
    return transport.calls.count("iter_chat_pages")


def look_up(**arguments: Any) -> FakeTransport:
    """The transport of a Connection that has looked a chat up."""
    transport = FakeTransport()
    with Connection(transport=transport, **arguments) as connection:
        connection.chats.get_subscriptions()
    return transport


class TestConnection:
    def test_has_no_store_by_default(self, tmp_path: Path) -> None:
        look_up()

        assert list(tmp_path.iterdir()) == []

    def test_has_the_one_that_it_is_given(self) -> None:
        store = MemoryStore()
        look_up(store=store)

        assert lists(look_up(store=store)) == 0

    def test_has_the_one_that_the_environment_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", f"file:{tmp_path / 'stored'}")
        look_up()

        assert lists(look_up()) == 0

    def test_prefers_the_one_that_it_is_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEAMWIRE_STORE", f"file:{tmp_path / 'stored'}")
        look_up(store=MemoryStore())

        assert not (tmp_path / "stored").exists()

    def test_of_another_transport_sees_nothing_of_it(self) -> None:
        store, other = MemoryStore(), FakeTransport()
        look_up(store=store)
        other.identity = "another"
        with Connection(transport=other, store=store) as connection:
            connection.chats.get_subscriptions()

        assert lists(other) == 1

    @pytest.mark.parametrize(
        ("store", "kind"),
        [("file", "str"), (FileStore, "the class FileStore"), (7, "int"), ({}, "dict")],
    )
    def test_says_what_a_store_is(self, store: Any, kind: str) -> None:
        text = rf"^store must be a FileStore\(\), .*, not {kind}$"
        with pytest.raises(TypeError, match=text):
            look_up(store=store)

    @pytest.mark.parametrize("identity", [None, ...])
    def test_says_that_nobody_knows_whose_chats_they_are(self, identity: Any) -> None:
        transport = FakeTransport()
        transport.identity = None
        if identity is ...:
            del transport.identity  # of a transport that was written before there were stores
        with pytest.raises(TWConfigError, match=r"from_vendor\(bot="):
            Connection(transport=transport, store=MemoryStore())

    def test_has_one_place_for_a_server_and_an_app_id(self) -> None:
        pairs = [("a", "https://a.example"), ("b", "https://a.example"), ("a", "https://b.example")]
        identities = set()
        for app_id, url in pairs:
            with Connection(app_id, "secret", url) as connection:
                identities.add(connection._transport.identity)
            with Connection(app_id, "other", f"{url}/", store=MemoryStore()) as connection:
                identities.add(connection._transport.identity)

        assert len(identities) == len(pairs)


class TestNames:
    @pytest.mark.parametrize("text", ["", " ", "none", " none\n"])
    def test_of_no_store(self, text: str) -> None:
        assert find_store(text, "it") is None

    @pytest.mark.parametrize("text", ["file", " file\n"])
    def test_of_the_files_of_the_user(self, text: str, tmp_path: Path) -> None:
        assert repr(find_store(text, "it")) == f"FileStore({str(tmp_path / 'teamwire_sync')!r})"

    def test_of_files_elsewhere(self, tmp_path: Path) -> None:
        assert repr(find_store(f"file:{tmp_path}", "it")) == f"FileStore({str(tmp_path)!r})"

    @pytest.mark.parametrize("scheme", ["redis", "rediss"])
    def test_of_redis(self, scheme: str) -> None:
        found = find_store(f"{scheme}://host:1/2", "it")

        assert isinstance(found, RedisStore)
        assert repr(found) == f"RedisStore('{scheme}://host:1/2')"

    def test_of_redis_at_a_socket(self) -> None:
        assert repr(find_store("unix:///run/redis", "it")) == "RedisStore('unix:///run/redis?db=0')"

    @pytest.mark.parametrize(
        "text", ["nonsense", "files", "file:", "memory", "/a/folder", "https://a.example", "FILE"]
    )
    def test_that_are_none(self, text: str) -> None:
        with pytest.raises(TWConfigError, match=r"^it must be one of none, file, file:FOLDER, "):
            find_store(text, "it")

    def test_of_a_folder_that_can_not_be(self) -> None:
        with pytest.raises(TWConfigError, match=r"^it: path: there is no home folder"):
            find_store("file:~nobody-of-this-name/x", "it")
