"""connection.events: one event after the other."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, ConnectionConfig, NewMessageInfo
from teamwire_sync._transport import EventPage
from tests.support.builders import make_chat, make_file, make_message, make_user
from tests.support.event_server import cursors, event, posted

if TYPE_CHECKING:
    from teamwire_sync import EventStream
    from tests.support.event_server import EventServer


class TestBeginning:
    def test_is_what_happens_after_the_call(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        stream = listen(since=None, timeout=10)

        assert event_server.polls == [(None, 0)]
        assert event_server.deadlines == [1010.0]
        assert stream.cursor == "now"

    @pytest.mark.parametrize("since", ["c5", event(5)], ids=["cursor", "event"])
    def test_is_where_the_caller_says(
        self, since: Any, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        stream = listen(since=since)
        assert (event_server.calls, stream.cursor) == ([], "c5")

        event_server.tell(event(6))
        next(stream)
        assert event_server.polls == [("c5", 25.0)]

    @pytest.mark.parametrize(
        ("arguments", "error", "text"),
        [
            ({"since": 5}, TypeError, "since must be an Event or the cursor of one, not int"),
            ({"since": ""}, ValueError, "since is empty"),
            ({"since": "\ud800"}, ValueError, "since has half of a surrogate pair"),
            ({"own": 1}, TypeError, "own must be True or False, not int"),
            ({"timeout": 0}, ValueError, "timeout must be more than zero"),
            ({"timeout": "5"}, TypeError, "timeout must be a number of seconds"),
        ],
        ids=lambda value: ascii(value) if isinstance(value, dict) else "",
    )
    def test_what_is_wrong_is_named_before_any_request(
        self, arguments: Any, error: type[Exception], text: str, listen: Callable[..., EventStream]
    ) -> None:
        with pytest.raises(error, match=f"^{text}"):
            listen(**arguments)

    @pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_it_is_one_place_and_can_not_be_copied(
        self, copied: Callable[[Any], Any], listen: Callable[..., EventStream]
    ) -> None:
        with pytest.raises(
            TypeError, match=r"^an EventStream can't be pickled or copied: store its"
        ):
            copied(listen())

    def test_its_repr_says_where_it_is(self, listen: Callable[..., EventStream]) -> None:
        assert repr(listen()) == "<EventStream after c0>"


class TestEvents:
    def test_come_in_their_order_each_once(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1), event(2))
        event_server.tell(event(3))
        stream = listen(timeout=60)

        assert cursors(next(stream) for _ in range(3)) == ["c1", "c2", "c3"]
        assert [cursor for cursor, _ in event_server.polls] == ["c0", "c2"]

    def test_a_loop_that_ends_is_followed_by_one_that_goes_on(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1), event(2), event(3))
        stream = listen()
        for first in stream:
            assert first.cursor == "c1"
            break

        assert next(stream).cursor == "c2"

    def test_the_cursor_is_that_of_the_last_that_was_given(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1), event(2), cursor="c9")
        stream = listen()
        next(stream)
        assert stream.cursor == "c1"
        next(stream)
        assert stream.cursor == "c2"

    def test_after_all_were_given_it_is_that_of_the_answer(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        """A server may leave out what the bot can't see."""
        event_server.tell(event(1), cursor="c9")
        stream = listen(timeout=25)

        assert cursors(stream) == ["c1"]
        assert stream.cursor == "c9"

    def test_no_events_are_an_answer_too(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(cursor="c4")
        event_server.tell(event(5))

        assert next(listen()).cursor == "c5"
        assert [cursor for cursor, _ in event_server.polls] == ["c0", "c4"]

    def test_can_act(self, event_server: EventServer, listen: Callable[..., EventStream]) -> None:
        event_server.users = [make_user(has_avatar=True)]
        user, chat = make_user(), make_chat()
        message = make_message(chat=chat, from_user=user, attachments=(make_file(),))
        found = event(1, "new_message", cls=NewMessageInfo, message=message, chat=chat, editor=user)
        event_server.event_answers.append(EventPage([found], "c1", users=[user]))
        given: Any = next(listen())

        assert given.chat.post("hello").msg == "hello"
        assert given.message.reply("why?").reply_to == "m1"
        assert given.editor.load_avatar() == b"picture of u1"
        assert given.message.attachments[0]._acting() is given.chat._acting()


class TestFilter:
    def test_own_events_are_left_out_and_passed_over(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1, is_own=True), event(2), event(3, is_own=True))
        stream = listen(timeout=25)

        assert cursors(stream) == ["c2"]
        assert stream.cursor == "c3"

    def test_own_events_come_when_they_are_asked_for(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1, is_own=True), event(2))

        assert cursors(listen(timeout=25, own=True)) == ["c1", "c2"]

    def test_messages_that_were_deleted_are_left_out(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(posted(1, deleted=True), posted(2), event(3, "message_deleted"))
        stream = listen(timeout=25)

        assert cursors(stream) == ["c2", "c3"]

    def test_messages_that_were_deleted_come_when_that_is_configured(
        self, event_server: EventServer
    ) -> None:
        config = ConnectionConfig(hide_deleted_messages=False)
        event_server.tell(posted(1, deleted=True))

        stream = Connection(transport=event_server, config=config).events(since="c0", timeout=25)
        assert cursors(stream) == ["c1"]


class TestTime:
    def test_a_question_waits_no_longer_than_a_proxy_does(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        for _ in range(2):
            event_server.tell(cursor="c0")
        event_server.tell(event(1))
        next(listen())

        assert event_server.polls == [("c0", 25.0)] * 3

    def test_it_ends_by_itself(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        for _ in range(3):
            event_server.tell(cursor="c0")

        assert cursors(listen(timeout=60)) == []
        assert [wait for _, wait in event_server.polls] == [25.0, 25.0, 10.0]
        assert event_server.now == 1060

    def test_the_time_counts_from_the_call(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        stream = listen(timeout=5)
        event_server.now += 5

        assert cursors(stream) == []
        assert event_server.polls == [("c0", 0.0)]

    def test_what_happened_within_it_is_given_though_the_program_was_busy(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1))
        event_server.tell(event(2))
        stream = listen(timeout=5)
        next(stream)
        event_server.now += 100

        assert cursors(stream) == ["c2"]
        assert [wait for _, wait in event_server.polls] == [5.0, 0.0]

    def test_one_last_question_is_asked_however_much_happens(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        for number in range(1, 9):
            event_server.tell(event(number))
        stream = listen(timeout=5)
        event_server.now += 100

        assert cursors(stream) == ["c1"]

    def test_it_is_for_one_thread_at_a_time(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        stream = listen()
        event_server.before_answer = lambda: next(stream)
        with pytest.raises(RuntimeError, match="in use by another call"):
            next(stream)

    def test_what_has_come_is_given_though_the_time_is_over(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.tell(event(1), event(2))
        stream = listen(timeout=5)
        next(stream)
        event_server.now += 100

        assert cursors(stream) == ["c2"]

    def test_after_its_end_it_stays_at_its_end(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        stream = listen(timeout=5)
        event_server.now += 5

        assert (list(stream), list(stream)) == ([], [])

    def test_a_server_that_does_not_wait_is_not_asked_more_than_once_a_second(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [0.0, 0.25, 0.0]
        event_server.tell(cursor="c0")
        event_server.tell(cursor="c0")
        event_server.tell(event(1))
        next(listen())

        assert event_server.pauses == [1.0, 0.75]

    def test_one_that_has_something_to_tell_is_asked_at_once(
        self, event_server: EventServer, listen: Callable[..., EventStream]
    ) -> None:
        event_server.takes = [0.0, 0.0]
        event_server.tell(event(1))
        event_server.tell(event(2))
        stream = listen()

        assert cursors([next(stream), next(stream)]) == ["c1", "c2"]
        assert event_server.pauses == []
