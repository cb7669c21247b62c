"""The similar titles of an error: what finding them costs, and when."""

from __future__ import annotations

import copy
import difflib
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, TWAmbiguousTitleError, TWNotFoundError
from teamwire_sync._services import similar_titles
from tests.support.builders import make_chat, pickled
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from teamwire_sync._services.chats import Chats

COPIES: dict[str, Callable[[Any], Any]] = {
    "a copy": copy.copy,
    "a deep copy": copy.deepcopy,
    "a pickle": pickled,
}
TEXT = "no chat has the title 'Station 17, Dienst'; similar titles: "


def missing(chats: Chats, title: str) -> TWNotFoundError:
    with pytest.raises(TWNotFoundError) as caught:
        chats.one_by_title(title)
    return caught.value


def titles_of(error: TWNotFoundError) -> tuple[str, ...]:
    return error.close_titles


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport(make_chat("t1", "one"))


@pytest.fixture
def chats(transport: FakeTransport) -> Chats:
    return Connection(transport=transport).chats


@pytest.fixture
def many(chats: Chats, transport: FakeTransport) -> Chats:
    transport.chats += [make_chat(f"s{i}", f"Station {i}, Dienstplan") for i in range(2000)]
    return chats


class TestCost:
    def test_a_miss_compares_no_titles(self, many: Chats, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(similar_titles, "folded")

        assert type(missing(many, "Station 17, Dienst")) is TWNotFoundError

    @pytest.mark.parametrize(
        "look", [str, lambda error: error.close_titles], ids=["text", "titles"]
    )
    def test_a_look_at_the_error_compares_few_titles(
        self, look: Callable[[Any], object], many: Chats, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared = []

        def close(word: str, possibilities: list[str], **settings: Any) -> list[str]:
            compared.append(len(possibilities))
            return real(word, possibilities, **settings)

        real = difflib.get_close_matches
        monkeypatch.setattr(difflib, "get_close_matches", close)
        error = missing(many, "Station 17, Dienst")
        for _ in range(3):
            look(error)

        assert len(compared) == 1
        assert compared[0] <= 100

    def test_all_misses_of_a_listing_share_an_index(
        self, many: Chats, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[object] = []
        real = similar_titles.TitleIndex.__init__

        def init(index: Any, titles: Any) -> None:
            made.append(titles)
            real(index, titles)

        monkeypatch.setattr(similar_titles.TitleIndex, "__init__", init)
        for number in range(5):
            str(missing(many, f"Station {number}, Dienst"))

        assert len(made) == 1


class TestFound:
    @pytest.mark.parametrize(
        ("title", "closest"),
        [
            ("Station 17, Dienst", "Station 17, Dienstplan"),
            ("Sttion 17, Dienstplan", "Station 17, Dienstplan"),
            ("Station 17, Deinstplan", "Station 17, Dienstplan"),
            ("Station 1999, Dienstplann", "Station 1999, Dienstplan"),
            ("xtation 17, Dienstplan", "Station 17, Dienstplan"),
        ],
    )
    def test_a_typo_among_many_titles(self, title: str, closest: str, many: Chats) -> None:
        assert missing(many, title).close_titles[0] == closest

    def test_the_titles_are_those_of_the_miss(self, many: Chats, transport: FakeTransport) -> None:
        error = missing(many, "Station 17, Dienst")
        transport.chats.clear()
        many.get_subscriptions(refresh=True)

        assert error.close_titles[0] == "Station 17, Dienstplan"


class TestText:
    def test_is_cut(self, chats: Chats, transport: FakeTransport) -> None:
        transport.chats += [make_chat(f"l{i}", "long " * 20_000 + str(i)) for i in range(5)]

        assert 200 < len(str(missing(chats, "long " * 20_000))) < 600

    def test_of_an_ambiguous_title_is_cut(self, chats: Chats, transport: FakeTransport) -> None:
        transport.chats += [make_chat(f"l{i}", "long " * 20_000) for i in range(2)]
        with pytest.raises(TWAmbiguousTitleError) as caught:
            chats.one_by_title("long " * 20_000)

        assert len(str(caught.value)) < 200

    def test_of_long_titles_with_the_same_ends_says_that_they_differ(
        self, chats: Chats, transport: FakeTransport
    ) -> None:
        transport.chats.append(make_chat("l", "a" * 500 + "b" + "a" * 500))

        assert "; similar titles: '" in str(missing(chats, "a" * 500 + "c" + "a" * 500))


class TestCopies:
    @pytest.mark.parametrize("kind", COPIES)
    def test_have_the_titles(self, kind: str, many: Chats) -> None:
        error = COPIES[kind](missing(many, "Station 17, Dienst"))

        assert error.close_titles[0] == "Station 17, Dienstplan"
        assert str(error).startswith(TEXT)

    def test_another_attribute_is_missing(self, many: Chats) -> None:
        error = missing(many, "Station 17, Dienst")

        assert not hasattr(error, "other")
        assert error.status is None
