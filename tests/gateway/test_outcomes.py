"""A request with an Idempotency-Key is executed once, and its outcome is repeated."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import TWConfigError
from teamwire_sync._gateway import outcomes as module
from teamwire_sync._gateway.outcomes import KEPT, Outcomes
from teamwire_sync._gateway.state import StateFolder
from teamwire_sync._server.backend import Answer
from teamwire_sync._server.errors import RefusedError, refusal_answer, refuse
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from tests.support.builders import Clock

FILE = "outcomes.sqlite3"
UNKNOWN = 502
DONE = Answer('{"mid":"m1"}', 7)


class Upstream:
    """It counts what it executes, and answers each with the same.

    Attributes:
        executed: The number of executions.
        asked: The number of questions what has become of an execution.
        knows: Whether it knows the answer.
        answer: The answer.
        failure: An exception in its place.
    """

    def __init__(self) -> None:
        self.executed = self.asked = 0
        self.knows = False
        self.answer = DONE
        self.failure: BaseException | None = None

    def __call__(self, may_be_done: bool) -> Answer:
        self.executed += not may_be_done
        self.asked += may_be_done
        if may_be_done and not self.knows:
            refuse("nobody knows", "delivery_unknown")
        if self.failure is not None:
            raise self.failure
        return self.answer


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def outcomes(state: StateFolder, clock: Clock) -> Iterator[Outcomes]:
    with closing(Outcomes(state, clock=clock)) as outcomes:
        yield outcomes


def restarted(state: StateFolder, **kwargs: Any) -> closing[Outcomes]:
    return closing(Outcomes(state, **kwargs))


def post(
    outcomes: Outcomes,
    upstream: Callable[[bool], Answer],
    key: str | None = "k",
    *,
    client: str = "app",
    fingerprint: str = "f",
) -> Answer:
    return outcomes.perform(client, key, fingerprint, upstream)


def code_of(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        call(*args, **kwargs)
    return refused.value.code


class TestRepeating:
    def test_a_new_request_is_executed(self, outcomes: Outcomes, upstream: Upstream) -> None:
        assert post(outcomes, upstream) == DONE

    def test_a_repeated_request_gets_the_first_outcome(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        upstream.answer = Answer("{}", 9, headers={"X-Reason": "ü"})
        first = post(outcomes, upstream)
        repeated = post(outcomes, upstream)

        assert (repeated.body, repeated.revision, repeated.status) == ("{}", 9, 200)
        assert repeated.headers == first.headers
        assert (repeated.is_replay, upstream.executed) == (True, 1)

    def test_an_outcome_survives_a_restart(
        self, state: StateFolder, outcomes: Outcomes, upstream: Upstream, clock: Clock
    ) -> None:
        post(outcomes, upstream)
        outcomes.close()
        with restarted(state, clock=clock) as again:
            assert post(again, upstream).body == DONE.body
        assert upstream.executed == 1

    def test_an_answer_without_a_revision_has_none_when_it_is_repeated(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        upstream.answer = Answer("{}")
        post(outcomes, upstream)
        assert post(outcomes, upstream).revision is None

    def test_a_request_without_a_key_is_executed_each_time(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        post(outcomes, upstream, None)
        post(outcomes, upstream, None)
        assert upstream.executed == 2

    def test_another_request_with_the_same_key_is_refused(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        post(outcomes, upstream)
        assert code_of(post, outcomes, upstream, fingerprint="other") == "idempotency_mismatch"
        assert upstream.executed == 1

    def test_each_client_has_its_own_keys(self, outcomes: Outcomes, upstream: Upstream) -> None:
        post(outcomes, upstream)
        post(outcomes, upstream, client="other", fingerprint="other")
        assert upstream.executed == 2


class TestStatuses:
    @pytest.mark.parametrize("code", ["invalid_members", "chat_closed", "forbidden", "not_found"])
    def test_a_refusal_by_the_upstream_is_repeated(
        self, outcomes: Outcomes, upstream: Upstream, code: str
    ) -> None:
        upstream.failure = refusal = RefusedError("no", code, user_ids=["u1"])
        first = post(outcomes, upstream)
        repeated = post(outcomes, upstream)

        assert first == refusal_answer(refusal)
        assert (repeated.body, repeated.status) == (first.body, first.status)
        assert (repeated.is_replay, upstream.executed) == (True, 1)

    @pytest.mark.parametrize("code", ["rate_limited", "unsupported", "service_unavailable"])
    def test_a_request_that_was_not_done_is_executed_again(
        self, outcomes: Outcomes, upstream: Upstream, code: str
    ) -> None:
        upstream.failure = RefusedError("not now", code)
        assert post(outcomes, upstream).status in {429, 501, 503}
        upstream.failure = None
        assert post(outcomes, upstream) == DONE

    def test_a_request_that_was_not_done_frees_its_key_for_another_one(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        upstream.failure = RefusedError("not now", "service_unavailable")
        post(outcomes, upstream)
        upstream.failure = None
        assert post(outcomes, upstream, fingerprint="other") == DONE

    @pytest.mark.parametrize("code", ["delivery_unknown", "gateway_timeout", "internal_error"])
    def test_an_unknown_outcome_is_told_and_then_repeated_as_unknown(
        self, outcomes: Outcomes, upstream: Upstream, code: str
    ) -> None:
        upstream.failure = RefusedError("lost", code)
        assert post(outcomes, upstream).status >= 500
        assert post(outcomes, upstream).status == UNKNOWN
        assert upstream.executed == 1

    @pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
    def test_after_any_other_exception_the_outcome_is_unknown(
        self, outcomes: Outcomes, upstream: Upstream, kind: type[BaseException]
    ) -> None:
        upstream.failure = kind()
        with pytest.raises(kind):
            post(outcomes, upstream)
        assert post(outcomes, upstream).status == UNKNOWN
        assert upstream.executed == 1

    def test_an_unknown_outcome_survives_a_restart(
        self, state: StateFolder, outcomes: Outcomes, upstream: Upstream, clock: Clock
    ) -> None:
        upstream.failure = RefusedError("lost", "delivery_unknown")
        post(outcomes, upstream)
        outcomes.close()
        with restarted(state, clock=clock) as again:
            assert post(again, upstream).status == UNKNOWN
        assert upstream.executed == 1

    def test_another_request_with_a_key_of_unknown_outcome_is_refused(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        upstream.failure = RefusedError("lost", "delivery_unknown")
        post(outcomes, upstream)
        assert code_of(post, outcomes, upstream, fingerprint="other") == "idempotency_mismatch"


class TestUnknown:
    """A request whose outcome is unknown, and an upstream that may know it."""

    @pytest.fixture(autouse=True)
    def lost(self, outcomes: Outcomes, upstream: Upstream) -> None:
        upstream.failure = RefusedError("lost", "delivery_unknown")
        post(outcomes, upstream)
        upstream.failure = None
        upstream.knows = True

    def test_the_upstream_is_asked_for_the_outcome(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        assert post(outcomes, upstream) == DONE
        assert (upstream.executed, upstream.asked) == (1, 1)

    def test_the_outcome_is_recorded(self, outcomes: Outcomes, upstream: Upstream) -> None:
        post(outcomes, upstream)
        assert post(outcomes, upstream).is_replay
        assert upstream.asked == 1

    def test_a_refusal_of_the_upstream_is_the_outcome(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        upstream.failure = RefusedError("no", "chat_closed")
        post(outcomes, upstream)
        repeated = post(outcomes, upstream)
        assert (repeated.status, repeated.is_replay) == (409, True)

    @pytest.mark.parametrize(
        "code", ["rate_limited", "unsupported", "service_unavailable", "idempotency_mismatch"]
    )
    def test_a_refusal_of_the_question_is_no_outcome(
        self, outcomes: Outcomes, upstream: Upstream, code: str
    ) -> None:
        upstream.failure = RefusedError("not now", code)
        with pytest.raises(RefusedError) as refused:
            post(outcomes, upstream)
        assert (refused.value.code, refused.value.retry_after) == ("in_progress", 1)
        upstream.failure = None
        assert post(outcomes, upstream) == DONE
        assert (upstream.executed, upstream.asked) == (1, 2)

    def test_an_upstream_that_does_not_know_either_is_asked_again(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        upstream.knows = False
        assert post(outcomes, upstream).status == UNKNOWN
        upstream.knows = True
        assert post(outcomes, upstream) == DONE

    def test_an_upstream_that_may_have_forgotten_the_key_is_not_asked(
        self, outcomes: Outcomes, upstream: Upstream, clock: Clock
    ) -> None:
        clock.advance(KEPT - 3599)
        assert code_of(post, outcomes, upstream) == "delivery_unknown"
        assert (upstream.executed, upstream.asked) == (1, 0)


def after(gate: Gate, upstream: Upstream) -> Callable[[bool], Answer]:
    def work(may_be_done: bool) -> Answer:
        gate()
        return upstream(may_be_done)

    return work


class TestThreads:
    @pytest.fixture
    def gate(self) -> Iterator[Gate]:
        gate = Gate()
        yield gate
        gate.open()

    def test_a_request_waits_for_one_with_the_same_key(
        self, state: StateFolder, upstream: Upstream, gate: Gate
    ) -> None:
        held = after(gate, upstream)
        with restarted(state, wait=PATIENCE) as outcomes, Threads() as threads:
            first = threads.start(post, outcomes, held)
            gate.wait_arrived()
            others = [threads.start(post, outcomes, held) for _ in range(8)]
            gate.open()
            answers = [each.result(PATIENCE) for each in [first, *others]]
        assert [each.is_replay for each in answers] == [False] + [True] * 8
        assert upstream.executed == 1

    def test_a_request_that_waited_too_long_is_told_to_come_back(
        self, state: StateFolder, upstream: Upstream, gate: Gate
    ) -> None:
        with restarted(state, wait=0.0) as outcomes, Threads() as threads:
            first = threads.start(post, outcomes, after(gate, upstream))
            gate.wait_arrived()
            with pytest.raises(RefusedError) as refused:
                post(outcomes, upstream)
            gate.open()
            assert first.result(PATIENCE) == DONE
            assert post(outcomes, upstream).is_replay
        answer = refusal_answer(refused.value)
        assert (answer.status, answer.headers) == (409, {"Retry-After": "1"})
        assert upstream.executed == 1

    def test_another_request_with_a_key_under_way_is_refused_at_once(
        self, state: StateFolder, upstream: Upstream, gate: Gate
    ) -> None:
        with restarted(state, wait=PATIENCE) as outcomes, Threads() as threads:
            threads.start(post, outcomes, after(gate, upstream))
            gate.wait_arrived()
            code = code_of(post, outcomes, upstream, fingerprint="other")
            gate.open()
        assert code == "idempotency_mismatch"

    def test_one_of_the_waiting_requests_is_executed_if_the_first_one_was_not_done(
        self, state: StateFolder, upstream: Upstream, gate: Gate
    ) -> None:
        def refused(may_be_done: bool) -> Answer:
            gate()
            refuse("not now", "service_unavailable")

        with restarted(state, wait=PATIENCE) as outcomes, Threads() as threads:
            first = threads.start(post, outcomes, refused)
            gate.wait_arrived()
            others = [threads.start(post, outcomes, upstream) for _ in range(8)]
            gate.open()
            assert first.result(PATIENCE).status == 503
            assert {each.result(PATIENCE).body for each in others} == {DONE.body}
        assert upstream.executed == 1

    def test_requests_with_other_keys_do_not_wait(
        self, outcomes: Outcomes, upstream: Upstream, gate: Gate
    ) -> None:
        with Threads() as threads:
            threads.start(post, outcomes, after(gate, upstream))
            gate.wait_arrived()
            assert post(outcomes, upstream, "other") == DONE
            assert post(outcomes, upstream, client="other") == DONE
            gate.open()

    def test_ended_requests_leave_nothing_in_memory(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        for number in range(20):
            post(outcomes, upstream, str(number))
        assert outcomes._executions == {}


class TestAge:
    def test_an_outcome_is_kept_for_24_hours(
        self, outcomes: Outcomes, upstream: Upstream, clock: Clock
    ) -> None:
        post(outcomes, upstream)
        clock.advance(KEPT)
        post(outcomes, upstream, "another")
        assert post(outcomes, upstream).is_replay

    def test_an_outcome_is_removed_after_24_hours(
        self, outcomes: Outcomes, upstream: Upstream, clock: Clock
    ) -> None:
        post(outcomes, upstream)
        clock.advance(KEPT + 1)
        assert not post(outcomes, upstream).is_replay

    def test_old_outcomes_are_removed_in_small_batches(
        self, state: StateFolder, outcomes: Outcomes, upstream: Upstream, clock: Clock
    ) -> None:
        for number in range(120):
            post(outcomes, upstream, str(number))
        clock.advance(KEPT + 1)
        found = []
        for number in range(4):
            post(outcomes, upstream, f"new {number}")
            found.append(count_in(state))
            clock.advance(0.1)
        assert found == [71, 22, 3, 4]

    def test_a_full_database_refuses_new_requests_before_they_are_executed(
        self, state: StateFolder, upstream: Upstream, caplog: pytest.LogCaptureFixture
    ) -> None:
        upstream.answer = Answer("x" * 4000, 1)
        with restarted(state, max_bytes=100_000, most=1) as outcomes:
            assert code_of(fill, outcomes, upstream) == "service_unavailable"
            executed = upstream.executed
            assert code_of(fill, outcomes, upstream) == "service_unavailable"
            replayed = [post(outcomes, upstream, f"{key}").is_replay for key in range(executed)]
        assert upstream.executed == executed > 0
        assert all(replayed)
        assert "the gateway can't record a request: the database is full" in caplog.text

    def test_a_full_database_accepts_new_requests_when_old_ones_expire(
        self, state: StateFolder, upstream: Upstream, clock: Clock
    ) -> None:
        upstream.answer = Answer("x" * 4000, 1)
        with restarted(state, max_bytes=100_000, most=1, clock=clock) as outcomes:
            assert code_of(fill, outcomes, upstream) == "service_unavailable"
            clock.advance(KEPT + 1)
            assert post(outcomes, upstream, "new") == upstream.answer

    def test_a_client_that_fills_the_database_does_not_fill_it_for_others(
        self, state: StateFolder, upstream: Upstream
    ) -> None:
        upstream.answer = Answer("x" * 4000, 1)
        with restarted(state, max_bytes=100_000, most=3) as outcomes:
            assert code_of(fill, outcomes, upstream) == "service_unavailable"
            for key in "abc":
                assert post(outcomes, upstream, key, client="other") == upstream.answer
            assert code_of(post, outcomes, upstream, "d", client="other") == "service_unavailable"

    def test_many_clients_do_not_fill_more_than_the_double_size(
        self, state: StateFolder, upstream: Upstream
    ) -> None:
        upstream.answer = Answer("x" * 4000, 1)
        with restarted(state, max_bytes=100_000, most=99) as outcomes:
            assert code_of(fill, outcomes, upstream) == "service_unavailable"
            code = code_of(post, outcomes, upstream, client="other")
        assert code == "service_unavailable"
        assert 1 / 2 < upstream.executed * 4000 / 200_000 < 1

    def test_an_outcome_that_cannot_be_recorded_is_told_and_then_unknown(
        self, outcomes: Outcomes, caplog: pytest.LogCaptureFixture
    ) -> None:
        def executed_without_a_disk(may_be_done: bool) -> Answer:
            if may_be_done:
                refuse("nobody knows", "delivery_unknown")
            outcomes._database.execute("PRAGMA query_only = ON")
            return DONE

        assert post(outcomes, executed_without_a_disk).status == 200
        assert "can't record an outcome, which is now unknown: attempt to write" in caplog.text
        outcomes._database.execute("PRAGMA query_only = OFF")
        assert post(outcomes, executed_without_a_disk).status == UNKNOWN


def fill(outcomes: Outcomes, upstream: Upstream) -> None:
    for number in range(100):
        post(outcomes, upstream, f"{number}")


def count_in(state: StateFolder) -> int:
    with closing(sqlite3.connect(state.path_of(FILE))) as database:
        (count,) = database.execute("SELECT count(*) FROM outcomes").fetchone()
    return int(count)


class TestFile:
    def test_a_request_is_on_disk_before_it_is_executed(
        self,
        state: StateFolder,
        outcomes: Outcomes,
        upstream: Upstream,
        clock: Clock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A power cut leaves what is in the files when the log is forced onto the disk."""
        folder = Path(state.path_of(FILE)).parent
        disk_folder = folder.with_name("disk")
        forced = []

        def force(file: FileIO) -> None:
            forced.append((file.name, upstream.executed))
            shutil.copytree(folder, disk_folder)

        with monkeypatch.context() as patches:
            patches.setattr(module, "force", force)
            post(outcomes, upstream)
        assert forced == [(state.path_of(f"{FILE}-wal"), 0)]
        disk = StateFolder(disk_folder)
        with closing(disk), restarted(disk, clock=clock) as after:
            assert post(after, upstream).status == UNKNOWN
        assert upstream.executed == 1

    def test_a_request_that_can_not_be_forced_onto_the_disk_is_not_executed(
        self, outcomes: Outcomes, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(file: FileIO) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(module, "force", fail)
        assert code_of(post, outcomes, upstream) == "service_unavailable"
        assert upstream.executed == 0

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
    def test_the_files_are_for_this_user_alone(
        self, state: StateFolder, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        post(outcomes, upstream)
        folder = Path(state.path_of(FILE)).parent
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.glob(f"{FILE}*")}
        assert modes == {FILE: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600}

    def test_a_damaged_file_is_refused_and_stays(self, state: StateFolder) -> None:
        path = Path(state.make(FILE))
        path.write_bytes(b"no database at all, and so on")
        with pytest.raises(TWConfigError, match="file is not a database") as raised:
            Outcomes(state)
        assert "a request from before may be executed twice" in str(raised.value)
        assert path.read_bytes() == b"no database at all, and so on"

    def test_a_file_that_is_damaged_after_its_beginning_is_refused(
        self, state: StateFolder, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        fill(outcomes, upstream)
        outcomes.close()
        path = Path(state.path_of(FILE))
        path.write_bytes(path.read_bytes()[:4096] + b"x" * 65536)
        with closing(Outcomes(state)) as damaged, pytest.raises(TWConfigError, match="malformed"):
            damaged.recent(60)

    def test_a_file_of_another_release_is_refused(self, state: StateFolder) -> None:
        with closing(sqlite3.connect(state.make(FILE))) as database:
            database.execute("PRAGMA user_version = 99")
        with pytest.raises(TWConfigError, match="another release"):
            Outcomes(state)

    def test_after_close_a_request_is_refused_before_it_is_executed(
        self, outcomes: Outcomes, upstream: Upstream
    ) -> None:
        outcomes.close()
        outcomes.close()
        assert code_of(post, outcomes, upstream) == "service_unavailable"
        assert upstream.executed == 0

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
    def test_a_forked_process_is_refused(
        self, outcomes: Outcomes, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(RuntimeError, match="before a fork"):
            post(outcomes, upstream)
        assert upstream.executed == 0
