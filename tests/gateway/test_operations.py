"""Each operation of a gateway over HTTP, as its clients do it."""

from __future__ import annotations

import io
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import (
    Attachments,
    CalendarAttachment,
    ConnectionConfig,
    Events,
    LocationAttachment,
    TWError,
    TWImageLoadError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWRequestError,
    TWServerError,
)
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER
from tests.support.builders import make_file
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync import Chat, Connection
    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock
    from tests.support.gateways import ServedGateway

REVISION = "Teamwire-Revision"
_LISTING = ("GET", "/v1/bot/chats/")


@pytest.fixture
def client(over_http: ServedGateway, clock: Clock) -> Connection:
    """A client of the gateway; its failures are those of one request."""
    return over_http.connect(clock=clock, config=ConnectionConfig(retries=0))


@pytest.fixture
def chat(client: Connection) -> Chat:
    """A chat that the bot administers, as the client sees it."""
    found = client.chats.get_by_thread_id(KNOWN_CHAT)
    assert found is not None
    return found


class TestDirectory:
    def test_the_bot_is_that_of_the_upstream(self, client: Connection, box: Sandbox) -> None:
        assert client.check() == box.connect().check()

    def test_users_are_found_by_name(self, client: Connection, box: Sandbox) -> None:
        part = box.connect().users.get_user(KNOWN_USER).last_name[:3]
        found = list(client.users.find(part))

        assert found == list(box.connect().users.find(part))
        assert KNOWN_USER in {user.uid for user in found}

    def test_a_user_is_that_of_the_upstream(self, client: Connection, box: Sandbox) -> None:
        assert client.users.get_user(KNOWN_USER) == box.connect().users.get_user(KNOWN_USER)

    def test_an_unknown_user_or_group_is_none(self, client: Connection) -> None:
        assert client.users.get_user("nobody") is None
        assert client.groups.get_group("nothing") is None

    def test_an_avatar_is_that_of_the_upstream(self, client: Connection, box: Sandbox) -> None:
        users = {user.has_avatar(): user for user in client.users.get_all()}

        assert users[True].load_avatar().startswith(b"\x89PNG")
        with pytest.raises(TWImageLoadError):
            users[False].load_avatar()

    def test_groups_and_their_members_are_those_of_the_upstream(
        self, client: Connection, box: Sandbox
    ) -> None:
        groups = list(client.groups.get_all())

        assert groups == list(box.connect().groups.get_all())
        for group in groups:
            assert group.members == box.connect().groups.get_group(group.gid).members

    def test_members_of_a_list_are_changed(self, client: Connection, box: Sandbox) -> None:
        group = client.groups.get_group(BOT_LIST)
        assert group is not None
        uid = next(
            user.uid
            for user in client.users.get_all()
            if user.uid not in {each.uid for each in group.members}
        )
        members = group.add_members([uid]).members

        assert members == box.connect().groups.get_group(group.gid).members
        assert uid in {user.uid for user in members}

    @pytest.mark.parametrize("limit", [1, 3, 1000])
    def test_pages_of_users_are_as_long_as_asked(
        self, client: Connection, over_http: ServedGateway, limit: int
    ) -> None:

        url, cursor, found = f"{over_http.url}/v1/bot/users/", None, []
        while True:
            answer = requests.get(
                url, params={"limit": limit, "cursor": cursor}, auth=over_http.login, timeout=60
            ).json()
            assert 0 < len(answer["users"]) <= limit
            found += [user["uid"] for user in answer["users"]]
            cursor = answer["next_cursor"]
            if cursor is None or len(found) > 10:
                break

        assert found == [user.uid for user in client.users.get_all()][: len(found)]


class TestMessages:
    def test_messages_are_those_of_the_upstream(self, client: Connection, box: Sandbox) -> None:
        for number in range(5):
            box.post_message(KNOWN_CHAT, f"number {number}")
        messages = list(client.chats.at(KNOWN_CHAT).iter_messages())

        assert messages == list(box.connect().chats.at(KNOWN_CHAT).iter_messages())
        assert client.chats.at(KNOWN_CHAT).get_messages(2, before=messages[1]) == messages[2:4]

    def test_a_deleted_message_is_deleted(self, client: Connection, box: Sandbox) -> None:
        box.delete_message(KNOWN_CHAT, box.post_message(KNOWN_CHAT, "never mind"))
        shown = client.chats.at(KNOWN_CHAT).get_messages(1)

        assert [message.msg for message in shown] != ["never mind"]

    def test_a_wrong_place_among_the_messages_is_refused(self, chat: Chat) -> None:
        with pytest.raises(TWRequestError) as caught:
            chat.get_messages(before="nowhere")

        assert (caught.value.status, caught.value.code) == (422, "invalid_cursor")

    def test_a_reply_and_an_alert_are_what_was_posted(self, chat: Chat, box: Sandbox) -> None:
        first = chat.post("first")
        posted = chat.post(
            "second", is_alert=True, alert_type="note", reply_to=first, sender_display_name="X"
        )
        (stored,) = box.connect().chats.at(KNOWN_CHAT).get_messages(1)

        assert posted.mid == stored.mid
        assert (stored.alert_type, stored.reply_to) == ("note", first.mid)
        assert stored.sender_display_name == "X"

    @pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
    def test_a_file_goes_up_and_comes_down(self, chat: Chat, box: Sandbox, size: int) -> None:
        content = bytes(range(256)) * (size // 256 + 1)
        content = content[:size]
        posted = chat.post("", Attachments().add_file(io.BytesIO(content), "a file.bin"))
        (attachment,) = posted.attachments or ()
        target = io.BytesIO()
        attachment.download(target)

        assert (attachment.name, attachment.size) == ("a file.bin", size)
        assert target.getvalue() == content

    def test_places_and_appointments_are_posted_again(self, chat: Chat, box: Sandbox) -> None:

        now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        sent = [
            LocationAttachment("here", 1.5, -2.5, city="Rome"),
            CalendarAttachment("then", now, now, "why", "where"),
        ]
        chat.post("", sent)
        (stored,) = box.connect().chats.at(KNOWN_CHAT).get_messages(1)

        assert stored.attachments == sent

    def test_an_unknown_content_is_not_found(self, client: Connection, chat: Chat) -> None:

        with pytest.raises(TWNotFoundError):
            client._parts.actions.download(
                make_file("nothing"), io.BytesIO(), progress=None, timeout=None
            )

    def test_a_download_that_breaks_off_at_the_upstream_is_no_whole_file(
        self, chat: Chat, box: Sandbox
    ) -> None:
        posted = chat.post("", Attachments().add_file(io.BytesIO(bytes(3_000_000)), "long.bin"))
        (attachment,) = posted.attachments or ()
        box.fault("GET", f"/v1/bot/attachments/{attachment.aid}/content/", cut=1_000_000)

        with pytest.raises(TWError):
            attachment.download(io.BytesIO())


class TestChanges:
    def test_each_change_is_one_at_the_upstream(self, chat: Chat, box: Sandbox) -> None:
        uid = next(
            user.uid
            for user in box.connect().users.get_all()
            if user.uid not in {each.uid for each in chat.users}
        )
        chat.set_title("new title")
        chat.set_allow_sending(False)
        chat.add_members([uid])
        after = chat.add_admins([uid])

        assert after == box.connect().chats.get_by_thread_id(KNOWN_CHAT)
        assert after.title == "new title"
        assert uid in {user.uid for user in after.admins}

    def test_the_bot_leaves(self, chat: Chat, client: Connection, box: Sandbox) -> None:
        chat.leave()

        assert client.chats.get_by_thread_id(KNOWN_CHAT) is None
        assert box.connect().chats.get_by_thread_id(KNOWN_CHAT) is None

    def test_who_can_be_no_member_is_named(self, chat: Chat) -> None:
        with pytest.raises(TWInvalidMembersError) as caught:
            chat.add_members(["nobody"], ["nothing"])

        assert (caught.value.user_ids, caught.value.group_ids) == (("nobody",), ("nothing",))

    def test_a_chat_that_is_gone_is_gone_for_each_client(
        self, over_http: ServedGateway, chat: Chat, client: Connection, box: Sandbox, clock: Clock
    ) -> None:
        """A write that finds nothing shows that the list is wrong."""
        box.remove_chat(KNOWN_CHAT)
        with pytest.raises(TWNotFoundError):
            chat.post("hello")

        assert client.chats.get_by_thread_id(KNOWN_CHAT) is None
        assert over_http.connect().chats.get_by_thread_id(KNOWN_CHAT) is None

    def test_a_change_reaches_another_client_as_a_change(
        self, over_http: ServedGateway, chat: Chat, clock: Clock
    ) -> None:
        other = over_http.connect(clock=clock).chats
        other.get_subscriptions()
        chat.set_title("new title")
        clock.advance(301)

        assert other.get_by_title("new title") == [chat.set_title("new title")]
        assert other.cache_info().updates == 1

    def test_a_repeated_write_is_done_once(self, over_http: ServedGateway, box: Sandbox) -> None:

        url = f"{over_http.url}/v1/bot/chats/{KNOWN_CHAT}/messages/"

        def post() -> requests.Response:
            headers = {"Idempotency-Key": "k"}
            body = {"message": "only once"}
            return requests.post(
                url, json=body, headers=headers, auth=over_http.login, timeout=PATIENCE
            )

        first = post()
        over_http.connect().chats.at(KNOWN_CHAT).set_title("changed between them")
        second = post()

        assert first.content == second.content
        assert first.headers[REVISION] == second.headers[REVISION]
        assert second.headers["Idempotency-Replayed"] == "true"
        assert box.count("POST", f"/v1/bot/chats/{KNOWN_CHAT}/messages/") == 1


class TestEvents:
    def test_events_arrive_and_change_the_list(
        self, client: Connection, chat: Chat, box: Sandbox
    ) -> None:
        events = client.events(timeout=PATIENCE)
        box.rename_chat(KNOWN_CHAT, "renamed")
        box.post_message(KNOWN_CHAT, "hello")
        renamed, posted = next(events), next(events)

        assert [renamed.type, posted.type] == [Events.CHAT_TITLE_CHANGED, Events.NEW_MESSAGE]
        assert renamed.chat.title == "renamed"
        assert posted.message.msg == "hello"
        assert [each.tid for each in client.chats.get_by_title("renamed")] == [KNOWN_CHAT]

    def test_a_listener_continues_at_a_cursor(
        self, over_http: ServedGateway, client: Connection, box: Sandbox
    ) -> None:
        events = client.events(timeout=PATIENCE)
        for text in ("one", "two"):
            box.post_message(KNOWN_CHAT, text)
        first = next(events)
        (second,) = [next(over_http.connect().events(timeout=PATIENCE, since=first))]

        assert [first.message.msg, second.message.msg] == ["one", "two"]

    def test_an_event_that_the_list_shows_costs_no_listing(
        self, over_http: ServedGateway, client: Connection, chat: Chat, box: Sandbox
    ) -> None:
        events = client.events(timeout=PATIENCE)
        box.post_message(KNOWN_CHAT, "hello")
        next(events)
        client.chats.get_by_thread_id(KNOWN_CHAT)

        assert over_http.statuses(*_LISTING) == [200]

    def test_a_chat_that_goes_is_gone(self, client: Connection, chat: Chat, box: Sandbox) -> None:
        events = client.events(timeout=PATIENCE)
        box.remove_chat(KNOWN_CHAT)

        assert next(events).type == Events.CHAT_DELETED
        assert client.chats.get_by_thread_id(KNOWN_CHAT) is None

    def test_a_listener_waits_at_the_upstream(self, client: Connection, box: Sandbox) -> None:
        events = client.events(timeout=PATIENCE)
        with Threads(1) as threads:
            found = threads.start(lambda: next(events))
            wait_until(lambda: box.waiting == 1)
            box.post_message(KNOWN_CHAT, "hello")

            assert found.result().type == Events.NEW_MESSAGE


class TestFailures:
    def test_the_upstreams_failure_is_the_clients(self, client: Connection, box: Sandbox) -> None:
        box.fault(*_LISTING, status=500)
        with pytest.raises(TWServerError) as caught:
            client.chats.get_subscriptions()

        assert (caught.value.status, caught.value.code) == (502, "bad_gateway")

    def test_credentials_that_the_upstream_refuses_are_not_the_clients(
        self, client: Connection, box: Sandbox
    ) -> None:
        box.fault(*_LISTING, status=401)
        with pytest.raises(TWServerError) as caught:
            client.chats.get_subscriptions()

        assert caught.value.status == 503
        assert box.secret not in str(caught.value)
