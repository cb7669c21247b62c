"""The clients of a gateway: their file, the check of their credentials, and their permissions."""

from __future__ import annotations

import base64
import hmac
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import TWConfigError
from teamwire_sync._gateway.clients import (
    FAILURE_PERIOD,
    MOST_ADDRESSES,
    MOST_FAILURES,
    Client,
    Clients,
    FailureLimit,
)
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._internal.secret import Secret
from teamwire_sync._server.errors import RefusedError, refusal_answer
from tests.support.leaks import PLAIN, assert_no_secret, leaks, shown_of
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from tests.support.builders import Clock

HERE = "192.0.2.1"


@pytest.fixture
def clients(path: Path, clock: Clock) -> Clients:
    return Clients(path, clock=clock)


def header(app_id: str, secret: Secret | str) -> str:
    text = secret.reveal() if isinstance(secret, Secret) else secret
    return "Basic " + base64.b64encode(f"{app_id}:{text}".encode()).decode()


def file_of(path: Path) -> Path:
    return path / "clients.json"


def document_in(path: Path) -> Any:
    return json.loads(file_of(path).read_text())


def name_of(client: Client | None) -> str | None:
    return None if client is None else client.name


def refusal_of(clients: Clients, authorization: str | None, address: str = HERE) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        clients.admit(authorization, address)
    return refused.value


class TestFile:
    def test_a_new_client_has_an_app_id_and_a_secret_of_256_bits(self, clients: Clients) -> None:
        app_id, secret = clients.add("reports")
        assert app_id.startswith("gw-")
        assert len(base64.urlsafe_b64decode(secret.reveal() + "=")) == 32

    def test_each_client_has_another_app_id_secret_and_salt(
        self, path: Path, clients: Clients
    ) -> None:
        added = [clients.add(f"client-{number}") for number in range(20)]
        salts = {each["salt"] for each in document_in(path)["clients"].values()}
        assert len(dict(added)) == len({secret.reveal() for _, secret in added}) == len(salts) == 20

    def test_the_clients_are_listed_by_name(self, clients: Clients) -> None:
        clients.add("b")
        clients.add("a")
        assert [each.name for each in clients.all()] == ["a", "b"]

    def test_a_removed_client_is_not_listed(self, clients: Clients) -> None:
        clients.add("a")
        clients.add("b")
        clients.remove("a")
        assert [each.name for each in clients.all()] == ["b"]

    def test_a_name_in_use_is_refused(self, clients: Clients) -> None:
        clients.add("a")
        with pytest.raises(ValueError, match="there is a client with the name a"):
            clients.add("a")

    def test_an_unknown_name_cannot_be_removed(self, clients: Clients) -> None:
        with pytest.raises(ValueError, match="there is no client with the name 'a'"):
            clients.remove("a")

    @pytest.mark.parametrize("name", ["", "a b", "a\n", "-a", "ä", "a" * 65, "a:b", "a/b"])
    def test_a_name_that_a_log_could_not_show_is_refused(self, clients: Clients, name: str) -> None:
        with pytest.raises(ValueError, match="name must be 1 to 64 letters"):
            clients.add(name)
        assert clients.all() == []

    def test_an_unknown_operation_is_refused(self, clients: Clients) -> None:
        with pytest.raises(ValueError, match=r"unknown operations: \['post'\]; there are: get_me"):
            clients.add("a", operations=["post", "get_me"])
        assert clients.all() == []

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
    def test_the_file_is_for_this_user_alone(self, path: Path, clients: Clients) -> None:
        clients.add("a")
        assert stat.S_IMODE(file_of(path).stat().st_mode) == 0o600

    def test_the_file_is_replaced_as_a_whole(
        self, path: Path, clients: Clients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        clients.add("a")
        before = file_of(path).read_bytes()
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            clients.add("b")
        assert file_of(path).read_bytes() == before

    def test_threads_and_processes_lose_no_client_of_each_other(
        self, path: Path, clients: Clients
    ) -> None:
        program = (
            "import sys; from teamwire_sync._gateway.clients import Clients\n"
            "for number in range(10): Clients(sys.argv[1]).add(f'process-{number}')"
        )
        with subprocess.Popen([sys.executable, "-c", program, path]) as other, Threads() as threads:
            calls = [threads.start(Clients(path).add, f"thread-{number}") for number in range(10)]
            for each in calls:
                each.result(PATIENCE)
            assert other.wait(PATIENCE) == 0
        assert len(clients.all()) == 20

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"version": 2}, "it is not a file of clients of version 1"),
            ({"clients": []}, "it is not a file of clients of version 1"),
            ({"more": 1}, "it is not a file of clients of version 1"),
            ({"clients": {"x": None}}, "'x' has a property that is missing, unknown or invalid"),
        ],
    )
    def test_a_file_of_another_format_is_refused(
        self, path: Path, clients: Clients, change: dict[str, Any], reason: str
    ) -> None:
        clients.add("a")
        file_of(path).write_text(json.dumps({**document_in(path), **change}))
        with pytest.raises(TWConfigError, match=f"clients.json': {reason}"):
            Clients(path)

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "a b"},
            {"name": 1},
            {"read_only": "no"},
            {"readonly": True},
            {"operations": "get_me"},
            {"operations": ["get"]},
            {"operations": [1]},
            {"salt": "x"},
            {"sha256": None},
        ],
    )
    def test_a_client_with_a_wrong_property_is_refused(
        self, path: Path, clients: Clients, change: dict[str, Any]
    ) -> None:
        app_id, _ = clients.add("a")
        document = document_in(path)
        document["clients"][app_id].update(change)
        file_of(path).write_text(json.dumps(document))
        with pytest.raises(TWConfigError, match="has a property that is missing, unknown or inval"):
            Clients(path)

    @pytest.mark.parametrize("name", ["name", "read_only", "operations", "salt", "sha256"])
    def test_a_client_without_a_property_is_refused(
        self, path: Path, clients: Clients, name: str
    ) -> None:
        app_id, _ = clients.add("a")
        document = document_in(path)
        del document["clients"][app_id][name]
        file_of(path).write_text(json.dumps(document))
        with pytest.raises(TWConfigError, match="has a property that is missing, unknown or inval"):
            Clients(path)

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
    def test_a_file_that_is_no_json_is_refused(
        self, path: Path, clients: Clients, content: bytes
    ) -> None:
        file_of(path).write_bytes(content)
        with pytest.raises(TWConfigError, match=r"clients\.json"):
            clients.all()

    def test_operations_may_be_in_any_order(self, path: Path, clients: Clients) -> None:
        app_id, _ = clients.add("a", operations=["get_me"])
        document = document_in(path)
        document["clients"][app_id]["operations"] = ["get_user", "get_me"]
        file_of(path).write_text(json.dumps(document))
        assert clients.all()[0].operations == frozenset({"get_me", "get_user"})


class TestChecking:
    def test_the_right_secret_finds_the_client(self, path: Path, clients: Clients) -> None:
        clients.add("other")
        app_id, secret = clients.add("reports")
        assert name_of(Clients(path).check(header(app_id, secret))) == "reports"

    def test_the_scheme_is_in_any_case(self, path: Path, clients: Clients) -> None:
        value = header(*clients.add("a"))
        assert Clients(path).check(value.replace("Basic", "bASIC")) is not None

    def test_another_secret_finds_nobody(self, path: Path, clients: Clients) -> None:
        app_id, secret = clients.add("a")
        _, other = clients.add("b")
        wrong = [other, "", secret.reveal()[:-1], secret.reveal() + "\0", f"{secret.reveal()}:"]
        checked = Clients(path)
        assert [checked.check(header(app_id, each)) for each in wrong] == [None] * len(wrong)

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "",
            "Basic",
            "Basic ",
            "Basic a b",
            "Basic ä",
            "Basic ====",
            "Basic YQ==",
            "Bearer YTpi",
            "Basic gDqA",
            header("", ""),
        ],
    )
    def test_a_malformed_header_finds_nobody(self, clients: Clients, value: str | None) -> None:
        assert clients.check(value) is None

    def test_an_unknown_app_id_is_compared_as_a_known_one_is(
        self, path: Path, clients: Clients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app_id, _ = clients.add("a")
        checked = Clients(path)
        compared = []

        def compare(one: bytes, other: bytes) -> bool:
            compared.append((len(one), len(other)))
            return one == other

        monkeypatch.setattr(hmac, "compare_digest", compare)
        for each in (app_id, "unknown"):
            checked.check(header(each, "wrong"))
        assert compared == [(32, 32)] * 2


class TestReading:
    def test_a_new_client_is_known_after_a_second(self, clients: Clients, clock: Clock) -> None:
        value = header(*clients.add("a"))
        assert clients.check(value) is None
        clock.advance(1)
        assert name_of(clients.check(value)) == "a"

    def test_a_removed_client_is_unknown_after_a_second(
        self, path: Path, clients: Clients, clock: Clock
    ) -> None:
        value = header(*clients.add("a"))
        clock.advance(1)
        assert clients.check(value) is not None
        Clients(path).remove("a")
        clock.advance(1)
        assert clients.check(value) is None

    def test_the_file_is_not_read_while_it_is_the_same(
        self, path: Path, clients: Clients, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clients.add("a")
        clock.advance(1)
        clients.check(None)
        monkeypatch.setattr(Path, "read_text", None)
        clock.advance(1)
        assert clients.check(None) is None

    def test_a_broken_file_keeps_the_clients_from_before_and_is_logged_once(
        self, path: Path, clients: Clients, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        value = header(*clients.add("a"))
        clock.advance(1)
        clients.check(None)
        file_of(path).write_text("{")
        for _ in range(3):
            clock.advance(1)
            assert name_of(clients.check(value)) == "a"
        assert len(caplog.records) == 1
        assert "the clients from before stay valid" in caplog.text

    def test_a_mended_file_is_read(self, path: Path, clients: Clients, clock: Clock) -> None:
        value = header(*clients.add("a"))
        good = file_of(path).read_text()
        file_of(path).write_text("{")
        clock.advance(1)
        assert clients.check(value) is None
        file_of(path).write_text(good)
        clock.advance(1)
        assert name_of(clients.check(value)) == "a"

    def test_without_a_file_there_are_no_clients(
        self, path: Path, clients: Clients, clock: Clock
    ) -> None:
        value = header(*clients.add("a"))
        clock.advance(1)
        assert clients.check(value) is not None
        file_of(path).unlink()
        clock.advance(1)
        assert clients.check(value) is None
        assert clients.all() == []


class TestPermissions:
    @staticmethod
    def allowed(path: Path, **permissions: Any) -> set[str]:
        clients = Clients(path)
        value = header(*clients.add("a", **permissions))
        client = Clients(path).check(value)
        assert client is not None
        return {name for name in OPERATIONS if client.allows(name)}

    def test_a_client_may_use_all_operations(self, path: Path) -> None:
        assert self.allowed(path) == set(OPERATIONS)

    def test_a_read_only_client_may_only_read(self, path: Path) -> None:
        reading = {name for name, each in OPERATIONS.items() if each.method == "GET"}
        assert self.allowed(path, read_only=True) == reading

    def test_a_client_may_use_only_the_listed_operations(self, path: Path) -> None:
        listed = ["list_chats", "post_message"]
        assert self.allowed(path, operations=listed) == set(listed)

    def test_a_read_only_client_may_not_use_a_listed_write(self, path: Path) -> None:
        listed = ["list_chats", "post_message"]
        assert self.allowed(path, operations=listed, read_only=True) == {"list_chats"}

    def test_an_empty_list_allows_nothing(self, path: Path) -> None:
        assert self.allowed(path, operations=[]) == set()

    def test_an_operation_that_is_not_allowed_is_refused(
        self, path: Path, clients: Clients
    ) -> None:
        value = header(*clients.add("a", read_only=True))
        client = Clients(path).admit(value, HERE)
        client.require("list_chats")
        with pytest.raises(RefusedError, match="may not use post_message") as refused:
            client.require("post_message")
        assert refusal_answer(refused.value).status == 403


class TestFailures:
    def test_the_right_credentials_are_admitted(self, path: Path, clients: Clients) -> None:
        value = header(*clients.add("a"))
        assert Clients(path).admit(value, HERE).name == "a"

    def test_wrong_credentials_are_unauthorized(self, clients: Clients) -> None:
        refusal = refusal_of(clients, header("a", "b"))
        assert refusal_answer(refusal).status == 401

    def test_after_too_many_failures_an_address_is_told_to_wait(
        self, clients: Clients, clock: Clock
    ) -> None:
        for _ in range(MOST_FAILURES):
            assert refusal_of(clients, None).code == "unauthorized"
        clock.advance(10.5)
        answer = refusal_answer(refusal_of(clients, None))
        assert (answer.status, answer.headers) == (429, {"Retry-After": "50"})

    def test_a_right_login_is_never_blocked_by_failures_from_the_same_address(
        self, path: Path, clients: Clients
    ) -> None:
        value = header(*clients.add("a"))
        clients = Clients(path)
        for _ in range(10 * MOST_FAILURES):
            refusal_of(clients, None)
        assert clients.admit(value, HERE).name == "a"

    def test_after_the_period_an_address_is_unauthorized_again(
        self, clients: Clients, clock: Clock
    ) -> None:
        for _ in range(MOST_FAILURES + 1):
            refusal = refusal_of(clients, None)
        clock.advance(FAILURE_PERIOD)
        assert (refusal.code, refusal_of(clients, None).code) == ("rate_limited", "unauthorized")

    def test_too_many_failures_are_logged_once(
        self, clients: Clients, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3 * MOST_FAILURES):
            refusal_of(clients, None)
        assert len(caplog.records) == 1
        assert f"refuses logins from {HERE}" in caplog.text

    @pytest.mark.parametrize(
        ("one", "other", "are_same"),
        [
            ("192.0.2.1", "192.0.2.2", False),
            ("2001:db8::1", "2001:db8::ffff:0:1", True),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("fe80::1%eth0", "fe80::2", True),
            ("", "x" * 1000, True),
        ],
    )
    def test_addresses_of_one_site_count_together(
        self, clock: Clock, one: str, other: str, are_same: bool
    ) -> None:
        limit = FailureLimit(clock)
        for _ in range(MOST_FAILURES):
            limit.add(one)
        assert (limit.add(other) is not None) == are_same

    def test_the_memory_is_bounded(self, clock: Clock) -> None:
        limit = FailureLimit(clock)
        for number in range(MOST_ADDRESSES + 100):
            limit.add(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        assert len(limit._failures) == MOST_ADDRESSES

    def test_threads_count_each_failure(self, clock: Clock) -> None:
        limit = FailureLimit(clock)
        with Threads() as threads:
            for _ in range(MOST_FAILURES):
                threads.start(limit.add, HERE)
        assert limit.add(HERE) == FAILURE_PERIOD


class TestSecrets:
    @pytest.fixture
    def marked(self, monkeypatch: pytest.MonkeyPatch) -> str:
        """The Secret of the next client."""
        monkeypatch.setattr("secrets.token_urlsafe", lambda _: PLAIN)
        return PLAIN

    def test_the_file_has_no_secret(self, path: Path, clients: Clients, marked: str) -> None:
        clients.add("a")
        assert leaks([("file", file_of(path).read_text())], marked) == []

    def test_no_object_shows_a_secret(self, path: Path, clients: Clients, marked: str) -> None:
        app_id, secret = clients.add("a")
        clients = Clients(path)
        client = clients.admit(header(app_id, secret), HERE)
        assert leaks([*shown_of(client), ("repr", repr(secret))], marked, app_id) == []
        assert leaks([("repr", repr(vars(clients)))], marked, app_id) == []

    def test_a_client_does_not_show_its_hash(self, clients: Clients, marked: str) -> None:
        clients.add("a")
        client = clients.all()[0]
        assert repr(client).count("=") == 4

    def test_no_refusal_shows_the_secret(
        self, path: Path, clients: Clients, marked: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        clients.add("a")
        clients = Clients(path)
        for _ in range(MOST_FAILURES + 1):
            assert_no_secret(refusal_of(clients, header("app", marked)), marked)
        assert leaks([("log", caplog.text)], marked) == []

    def test_no_error_of_a_full_disk_shows_the_new_secret(
        self, clients: Clients, marked: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space") as raised:
            clients.add("a")
        assert_no_secret(raised.value, marked)

    @pytest.mark.parametrize("function", ["_parse", "_digest"])
    def test_no_exception_in_the_middle_of_a_check_shows_the_secret(
        self,
        path: Path,
        clients: Clients,
        marked: str,
        monkeypatch: pytest.MonkeyPatch,
        function: str,
    ) -> None:
        """An exception of a signal handler, for example."""
        app_id, secret = clients.add("a")
        target = {"_parse": "base64.b64decode", "_digest": "hashlib.sha256"}[function]
        monkeypatch.setattr(target, lambda *_, **__: sys.exit())
        with pytest.raises(SystemExit) as raised:
            Clients(path).admit(header(app_id, secret), HERE)
        assert_no_secret(raised.value, marked, app_id)
