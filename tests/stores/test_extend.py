"""The log of changes beside a stored listing, as each store keeps it."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

import pytest
from attrs import evolve, frozen

from teamwire_sync._stores import file, memory, redis
from teamwire_sync._stores.base import MAX_AGE, DamagedError, StoredListing, StoreError
from teamwire_sync._stores.codec import pack
from teamwire_sync._stores.file import FileStore
from teamwire_sync._stores.redis import RedisStore
from tests.support.builders import make_chat
from tests.support.redis_calls import KEY
from tests.support.store_files import NAME, run
from tests.support.store_listings import confirm, extend, failure_of, save, slot_in, titles
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._cache.listing import SlotRevision
    from teamwire_sync._stores.base import StoreSlot
    from tests.stores.conftest import MemoryKit
    from tests.support.redis_process import RedisProcess

LONG = "title" * 3000


def must(revision: SlotRevision | None) -> SlotRevision:
    assert revision is not None
    return revision


@pytest.fixture
def base(slot: StoreSlot) -> SlotRevision:
    """A stored listing of the chats t0, t1 and t2, with room for some changes."""
    return save(slot, "a", "b", LONG)


def shown(slot: StoreSlot, revision: SlotRevision) -> list[tuple[str, str | None]] | None:
    """The chats of the listing, in order."""
    loaded = slot.load(revision)
    return (
        None
        if loaded is None
        else [(tid, (chat.title or "")[:9]) for tid, chat in loaded.chats.items()]
    )


class TestExtend:
    def test_changes_are_in_the_listing(
        self, base: SlotRevision, slot: StoreSlot, other: StoreSlot
    ) -> None:
        revision = must(
            extend(slot, base, make_chat("t1", "B"), make_chat("t9", "new"), gone=["t0", "t8"])
        )

        assert shown(other, revision) == [("t1", "B"), ("t2", LONG[:9]), ("t9", "new")]

    def test_a_chat_that_went_and_came_back_is_at_the_end(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        revision = must(extend(slot, base, make_chat("t0", "back"), gone=["t0"]))

        assert shown(slot, revision) == [("t1", "b"), ("t2", LONG[:9]), ("t0", "back")]

    def test_the_last_changes_have_the_validator_and_the_revision(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        loaded = slot.load(must(extend(slot, base, revision=9)))

        assert loaded is not None
        assert (loaded.validator, loaded.revision, loaded.revisions) == ("v2", 9, {})

    def test_the_listing_has_another_token_and_the_time_of_the_request(
        self, base: SlotRevision, slot: StoreSlot, other: StoreSlot
    ) -> None:
        generation = slot.bump_generation()
        now = slot.status().now
        changes = StoredListing({}, "v2", gone=[])
        revision = slot.extend(base, changes, generation=generation, asked_at=now)

        assert revision is not None
        assert revision.body not in {"", base.body}
        assert (revision.generation, revision.asked_at) == (generation, now)
        assert other.status().revision == revision

    def test_the_listing_before_the_changes_is_not_there(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        extend(slot, base, make_chat("t1", "B"))

        assert titles(slot, base) is None

    def test_of_two_that_extend_the_same_listing_the_second_does_not(
        self, base: SlotRevision, slot: StoreSlot, other: StoreSlot
    ) -> None:
        first = must(extend(slot, base, make_chat("t1", "first")))

        assert extend(other, base, make_chat("t1", "second")) is None
        assert confirm(other, base, asked_at=base.asked_at) is None
        assert slot.status().revision == first
        assert titles(slot, first) == ["a", "first", LONG]

    def test_a_listing_that_was_replaced_is_not_extended(
        self, base: SlotRevision, slot: StoreSlot, other: StoreSlot
    ) -> None:
        new = save(other, "new" * 1000)

        assert extend(slot, base, make_chat("t1", "B")) is None
        assert titles(slot, must(slot.status().revision)) == ["new" * 1000]
        assert slot.status().revision == new

    @pytest.mark.parametrize("body", ["0" * 32, ""])
    def test_without_a_listing_nothing_is_extended(
        self, body: str, base: SlotRevision, slot: StoreSlot
    ) -> None:
        slot.clear()

        assert extend(slot, evolve(base, body=body)) is None
        assert slot.status().revision is None

    def test_changes_remove_the_failure(self, base: SlotRevision, slot: StoreSlot) -> None:
        slot.fail(failure_of(slot.status()))
        extend(slot, base)

        assert slot.status().failure is None

    def test_what_was_not_extended_keeps_the_failure(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        slot.fail(failure_of(slot.status()))
        extend(slot, evolve(base, body="0" * 32))

        assert slot.status().failure is not None

    def test_changes_are_confirmed_like_a_listing(
        self, base: SlotRevision, slot: StoreSlot, other: StoreSlot
    ) -> None:
        revision = must(extend(slot, base, make_chat("t1", "B")))
        confirmed = must(confirm(other, revision, asked_at=revision.asked_at - 1))

        assert (
            slot.status().revision == confirmed == evolve(revision, asked_at=revision.asked_at - 1)
        )
        assert titles(slot, confirmed) == ["a", "B", LONG]

    def test_it_lasts_longer(self, base: SlotRevision, slot: StoreSlot, kit: MemoryKit) -> None:
        kit.let_pass(MAX_AGE - 60)
        revision = must(extend(slot, base, make_chat("t1", "B")))
        kit.let_pass(MAX_AGE - 60)

        assert titles(slot, revision) == ["a", "B", LONG]

    def test_what_is_too_old_is_gone_with_its_changes(
        self, base: SlotRevision, slot: StoreSlot, kit: MemoryKit
    ) -> None:
        revision = must(extend(slot, base, make_chat("t1", "B")))
        kit.let_pass(MAX_AGE + 1)

        assert slot.status().revision is None
        assert [slot.load(each) for each in (revision, base)] == [None, None]
        assert extend(slot, revision) is None

    @pytest.mark.parametrize("clears", [False, True])
    def test_a_log_ends_with_its_listing(
        self, base: SlotRevision, slot: StoreSlot, *, clears: bool
    ) -> None:
        revision = must(extend(slot, base, make_chat("t1", "B")))
        if clears:
            slot.clear()
        new = save(slot, "x")

        assert (titles(slot, revision), titles(slot, new)) == (None, ["x"])

    def test_a_listing_with_a_lower_revision_than_the_changes_is_not_stored(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        status = slot.status()
        changed = must(extend(slot, base, revision=9))
        listed = StoredListing({}, "v1", revision=8)
        saved = slot.save(listed, generation=status.generation, asked_at=status.now, grace=30)

        assert saved is None
        assert slot.status().revision == changed

    def test_8_threads_extend_one_after_the_other(self, slot: StoreSlot, other: StoreSlot) -> None:
        save(slot, *[LONG] * 60)

        def work(at: StoreSlot, name: str) -> None:
            for number in range(5):
                while True:
                    present = at.status().revision
                    if present and extend(at, present, make_chat(f"{name}.{number}", name)):
                        break

        with Threads() as threads:
            each = [
                threads.start(lambda at=at, name=str(name): work(at, name))  # type: ignore[misc]
                for name, at in enumerate([slot, other] * 4)
            ]
            for one in each:
                one.result(PATIENCE)
        loaded = slot.load(must(slot.status().revision))

        assert loaded is not None
        assert {f"{name}.{number}" for name in range(8) for number in range(5)} < {*loaded.chats}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of bytes of the parts that a store has read."""
    sizes: list[int] = []
    for module in (memory, file, redis):
        unpack_parts: Callable[..., Any] = module.unpack_parts

        def noted(
            parts: Any, known: str | None, unpack_parts: Callable[..., Any] = unpack_parts
        ) -> Any:
            sizes.extend(len(packed) for _, packed in parts)
            return unpack_parts(parts, known)

        monkeypatch.setattr(module, "unpack_parts", noted)
    return sizes


class TestTakeOver:
    def test_who_has_the_listing_before_reads_just_the_changes(
        self, base: SlotRevision, slot: StoreSlot, other: StoreSlot, read: list[int]
    ) -> None:
        revision = must(extend(slot, base, make_chat("t1", "B"), gone=["t0"], revision=9))
        loaded = other.load(revision, base.body)

        assert loaded is not None
        assert (loaded.chats, loaded.gone) == ({"t1": make_chat("t1", "B")}, ["t0"])
        assert (loaded.validator, loaded.revision) == ("v2", 9)
        assert len(read) == 1
        assert max(read) < 1500 < len(LONG)

    def test_several_changes_are_read_as_one(
        self, base: SlotRevision, slot: StoreSlot, read: list[int]
    ) -> None:
        known = must(extend(slot, base, make_chat("t0", "A"), make_chat("t3", "known")))
        second = must(extend(slot, known, make_chat("t4", "four"), make_chat("t1", "B")))
        third = must(extend(slot, second, make_chat("t5", "five"), gone=["t4", "t1"]))
        last = must(extend(slot, third, make_chat("t4", "back"), make_chat("t5", "V")))
        loaded = slot.load(last, known.body)

        assert loaded is not None
        assert [*loaded.chats.values()] == [make_chat("t5", "V"), make_chat("t4", "back")]
        assert {*(loaded.gone or ())} == {"t1", "t4"}
        assert len(read) == 3

    def test_several_changes_are_in_the_listing_in_order(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        second = must(extend(slot, base, make_chat("t4", "four"), make_chat("t1", "B")))
        third = must(extend(slot, second, make_chat("t5", "five"), gone=["t4", "t1"]))
        last = must(extend(slot, third, make_chat("t4", "back"), make_chat("t0", "A")))

        assert shown(slot, last) == [
            ("t0", "A"), ("t2", LONG[:9]), ("t5", "five"), ("t4", "back"),
        ]  # fmt: skip

    @pytest.mark.parametrize("known", ["", "0" * 32, "replaced"])
    def test_who_has_another_listing_reads_the_whole(
        self, known: str, slot: StoreSlot, other: StoreSlot
    ) -> None:
        old = save(slot, "old")
        revision = must(extend(slot, save(slot, "a", LONG), make_chat("t0", "A")))
        loaded = other.load(revision, old.body if known == "replaced" else known)

        assert loaded is not None
        assert loaded.gone is None
        assert [chat.title for chat in loaded.chats.values()] == ["A", LONG]

    def test_who_has_an_older_listing_than_the_present_one_reads_nothing_else(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        second = must(extend(slot, base, make_chat("t1", "B")))
        extend(slot, second, make_chat("t1", "C"))

        assert slot.load(second, base.body) is None

    def test_users_and_groups_of_all_changes_are_there(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        """Or they would act through no Connection."""
        from tests.support.builders import make_group, make_user  # noqa: PLC0415

        one = make_chat("t1", users=(make_user("u1"),), groups=(make_group("g1"),))
        two = make_chat("t1", users=(make_user("u2"),), groups=(make_group("g2"),))
        last = must(extend(slot, must(extend(slot, base, one)), two))
        loaded = slot.load(last, base.body)

        assert loaded is not None
        assert [user.uid for user in loaded.users] == ["u1", "u2"]
        assert [group.gid for group in loaded.groups] == ["g1", "g2"]


class TestFolding:
    def test_changes_fit_up_to_a_quarter_of_the_listing(self, slot: StoreSlot) -> None:
        listing = StoredListing({"t0": make_chat("t0", LONG * 4)}, "v1")
        change = StoredListing({"t1": make_chat("t1", "x" * 700)}, "v2", gone=[], base="0" * 32)
        status = slot.status()
        asked: dict[str, Any] = {"generation": status.generation, "asked_at": status.now}
        revision = slot.save(listing, **asked)
        count = 0
        while revision is not None:
            last, revision = revision, slot.extend(revision, change, **asked)
            count += revision is not None

        assert count == len(pack(listing)) // 4 // len(pack(change)) > 1
        assert slot.status().revision == last
        assert titles(slot, last) == [LONG * 4, "x" * 700]

    @pytest.mark.parametrize("kit", ["file", "redis"], indirect=True)
    def test_all_parts_together_have_max_bytes_at_most(
        self, kit: MemoryKit, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        most = len(pack(StoredListing({"t0": make_chat("t0", LONG)}, "v1"))) + 900
        store: Any = FileStore(tmp_path / "small", max_bytes=most)
        if isinstance(kit.store, RedisStore):
            server: RedisProcess = request.getfixturevalue("redis_server")
            store = RedisStore(server.url, max_bytes=most, timeout=PATIENCE)
        slot = slot_in(store)
        revision = must(extend(slot, save(slot, LONG), make_chat("t1", "b")))

        assert extend(slot, revision, make_chat("t1", "c")) is None
        assert titles(slot, revision) == [LONG, "b"]


@frozen
class Parts:
    """The stored parts, changed behind the store's back.

    Attributes:
        damage: Damages the chats of a part.
        drop: Removes a part, so that the parts beside it are consecutive.
        swap: Gives a part the chats of the next one.
    """

    damage: Callable[[int], object]
    drop: Callable[[int], object]
    swap: Callable[[int], object]


@pytest.fixture
def parts(kit: MemoryKit, request: pytest.FixtureRequest, tmp_path: Path) -> Parts:
    if isinstance(kit.store, FileStore):
        path = tmp_path / "store" / NAME

        def drop(number: int) -> None:
            for table in ("parts", "chats"):
                run(path, f"DELETE FROM {table} WHERE number = ?", number + 1)  # noqa: S608

        def copy(number: int, other: int) -> None:
            ((packed,),) = run(path, "SELECT packed FROM chats WHERE number = ?", other + 1)
            run(path, "UPDATE chats SET packed = ? WHERE number = ?", packed, number + 1)

        return Parts(
            lambda number: run(
                path,
                "UPDATE chats SET packed = CAST(substr(packed, 2) AS BLOB) WHERE number = ?",
                number + 1,
            ),
            drop,
            lambda number: copy(number, number + 1),
        )
    server: RedisProcess = request.getfixturevalue("redis_server")
    key = KEY + "parts"

    def change(number: int, packed: bytes) -> None:
        server.run("LSET", key, 6 * number + 5, packed)

    def packed_of(number: int) -> Any:
        return server.run("LINDEX", key, 6 * number + 5)

    def dropped(number: int) -> None:
        values = server.run("LRANGE", key, 0, -1)
        server.run("DEL", key)
        server.run("RPUSH", key, *values[: 6 * number], *values[6 * number + 6 :])

    return Parts(
        lambda number: change(number, packed_of(number)[1:]),
        dropped,
        lambda number: change(number, packed_of(number + 1)),
    )


@pytest.mark.parametrize("kit", ["file", "redis"], indirect=True)
class TestDamage:
    @pytest.fixture
    def chain(self, base: SlotRevision, slot: StoreSlot) -> list[SlotRevision]:
        """A listing and three changes."""
        chain = [base]
        for number in range(3):
            slot.bump_generation()
            chain.append(must(extend(slot, chain[-1], make_chat("t1", f"b{number}"))))
        return chain

    @pytest.mark.parametrize(
        ("how", "number"), [*(("damage", each) for each in range(4)), ("swap", 0), ("swap", 1)]
    )
    def test_the_parts_before_the_damaged_one_stay(
        self, how: str, number: int, chain: list[SlotRevision], slot: StoreSlot, parts: Parts
    ) -> None:
        getattr(parts, how)(number)
        with pytest.raises(DamagedError):
            slot.load(chain[-1])
        left = slot.status().revision

        assert slot.load(chain[-1]) is None
        assert left == (evolve(chain[number - 1], generation="") if number else None)
        if left is not None:
            assert titles(slot, left) == ["a", ["b", "b0", "b1"][number - 1], LONG]

    @pytest.mark.parametrize("number", range(3))
    def test_without_a_part_the_later_ones_are_not_used(
        self, number: int, chain: list[SlotRevision], slot: StoreSlot, parts: Parts
    ) -> None:
        parts.drop(number)
        with pytest.raises(DamagedError):
            slot.load(chain[-1])

        left = slot.status().revision
        assert left == (evolve(chain[number - 1], generation="") if number else None)

    def test_without_the_last_part_the_listing_before_it_is_there(
        self, chain: list[SlotRevision], slot: StoreSlot, parts: Parts
    ) -> None:
        parts.drop(3)

        assert slot.load(chain[-1]) is None
        assert slot.status().revision == chain[-2]
        assert titles(slot, chain[-2]) == ["a", "b1", LONG]

    def test_who_knows_a_later_part_needs_no_damaged_one(
        self, chain: list[SlotRevision], slot: StoreSlot, parts: Parts
    ) -> None:
        parts.damage(1)
        loaded = slot.load(chain[-1], chain[-2].body)

        assert loaded is not None
        assert [chat.title for chat in loaded.chats.values()] == ["b2"]

    def test_who_knows_a_part_finds_the_damage_after_it(
        self, chain: list[SlotRevision], slot: StoreSlot, parts: Parts
    ) -> None:
        parts.damage(2)
        with pytest.raises(DamagedError):
            slot.load(chain[-1], chain[0].body)

        assert slot.status().revision == evolve(chain[1], generation="")

    def test_what_is_left_is_extended(
        self, chain: list[SlotRevision], slot: StoreSlot, parts: Parts
    ) -> None:
        parts.damage(2)
        with pytest.raises(DamagedError):
            slot.load(chain[-1])
        again = must(extend(slot, chain[1], make_chat("t1", "again")))

        assert titles(slot, again) == ["a", "again", LONG]

    def test_a_listing_takes_the_place_of_damaged_changes(
        self, chain: list[SlotRevision], slot: StoreSlot, parts: Parts
    ) -> None:
        parts.damage(1)
        revision = save(slot, "new")

        assert slot.status().revision == revision != chain[-1]
        assert titles(slot, revision) == ["new"]


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def slot(self, path: Path) -> StoreSlot:
        found: StoreSlot = slot_in(FileStore(path))
        return found

    def test_the_status_reads_no_chats(
        self, base: SlotRevision, slot: StoreSlot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They may be 64 MB."""
        extend(slot, base, make_chat("t1", "B"))
        connect, tables = sqlite3.connect, set()

        def allow(action: int, table: str | None, *_: Any) -> int:
            if action == sqlite3.SQLITE_READ:
                tables.add(table)
            return sqlite3.SQLITE_OK

        def noting(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **options)
            connection.set_authorizer(allow)
            return connection

        monkeypatch.setattr(sqlite3, "connect", noting)
        slot.status()

        assert tables & {"slot", "parts", "marks", "chats"} == {"slot", "parts", "marks"}

    @pytest.mark.parametrize("ended", ["a listing", "a clear", "damage"])
    def test_no_title_of_a_removed_change_is_left(
        self, ended: str, base: SlotRevision, slot: StoreSlot, path: Path
    ) -> None:
        revision = must(extend(slot, base, make_chat("t1", "a secret title")))
        if ended == "a listing":
            save(slot, "new")
        elif ended == "a clear":
            slot.clear()
        else:
            run(path / NAME, "UPDATE chats SET packed = CAST(packed || ' ' AS BLOB)")
            with pytest.raises(DamagedError):
                slot.load(revision)

        assert b"a secret title" not in (path / NAME).read_bytes()

    @pytest.mark.parametrize(
        "sql",
        [
            "UPDATE parts SET room = NULL",
            "UPDATE parts SET room = -1",
            "UPDATE parts SET body = 'x'",
            "DELETE FROM parts",
        ],
    )
    def test_where_the_parts_are_damaged_nothing_is_extended(
        self, sql: str, base: SlotRevision, slot: StoreSlot, path: Path
    ) -> None:
        run(path / NAME, sql)

        assert extend(slot, base, make_chat("t1", "B")) is None
        assert titles(slot, save(slot, "new")) == ["new"]

    @pytest.mark.parametrize("body", ["NULL", "x'00'", "7", "'x'"])
    def test_where_a_token_is_damaged_the_later_parts_are_removed(
        self, body: str, base: SlotRevision, slot: StoreSlot, path: Path
    ) -> None:
        second = must(extend(slot, base, make_chat("t1", "B")))
        last = must(extend(slot, second, make_chat("t1", "C")))
        run(path / NAME, f"UPDATE parts SET body = {body} WHERE number = 2")  # noqa: S608
        with pytest.raises(DamagedError):
            slot.load(last)

        assert slot.load(last) is None
        assert run(path / NAME, "SELECT count(*), max(number) FROM chats") == [(2, 2)]

    @pytest.mark.parametrize("table", ["parts", "chats"])
    def test_a_listing_is_stored_although_rows_of_a_table_are_lost(
        self, table: str, base: SlotRevision, slot: StoreSlot, path: Path
    ) -> None:
        run(path / NAME, f"DELETE FROM {table}")  # noqa: S608
        with suppress(DamagedError):
            slot.load(base)

        assert titles(slot, save(slot, "new")) == ["new"]


class TestValues:
    def test_changes_that_can_not_be_stored_are_refused(
        self, base: SlotRevision, slot: StoreSlot
    ) -> None:
        with pytest.raises(StoreError, match="a value that can't be stored"):
            extend(slot, base, make_chat("t1", extra=(("x", float("inf")),)))

        assert slot.status().revision == base
