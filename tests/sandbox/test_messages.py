"""Messages: what can be posted, and how they are read page by page."""

from __future__ import annotations

import base64
import threading
from typing import Any

import pytest

from teamwire_sync._sandbox.world.history import KNOWN_ATTACHMENT, KNOWN_MESSAGE
from teamwire_sync._sandbox.world.messages import link_preview
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.sandbox_api import CHATS, MESSAGES, UPLOADS, Api, error

CALENDAR = {"type": "calendar", "title": "Visite", "start_date": 5, "end_date": 5}
PLACE = {"type": "location", "name": "Wache", "lat": 48.1, "lon": -11}


def post(api: Api, **body: Any) -> dict[str, Any]:
    """Post a message in the known chat."""
    message: dict[str, Any] = api.post(MESSAGES, json=body).json()["message"]
    return message


def page(api: Api, **query: Any) -> dict[str, Any]:
    """A page of the known chat's messages."""
    document: dict[str, Any] = api.get(MESSAGES, params=query).json()
    return document


def mids(api: Api, limit: int) -> list[list[str]]:
    """All the pages of the known chat, as ids."""
    pages = []
    before = None
    while True:
        document = page(api, limit=limit, before=before)
        pages.append([message["mid"] for message in document["messages"]])
        before = document["next_before"]
        if before is None:
            return pages


def test_message_has_what_was_posted(api: Api) -> None:
    """All properties of a message come back."""
    body = {
        "message": "hi",
        "is_alert": True,
        "alert_type": "note",
        "reply_to": KNOWN_MESSAGE,
        "sender_display_name": "Leitstelle",
    }
    message = post(api, **body)
    assert {name: message[name] for name in body} == body


def test_alert_without_a_type_is_an_alert(api: Api) -> None:
    """The type has a default where there is an alert."""
    assert post(api, message="hi", is_alert=True)["alert_type"] == "alert"


@pytest.mark.parametrize("kind", ["file", "gallery", "sound", "video"])
def test_uploaded_attachment_is_described(api: Api, kind: str) -> None:
    """A message tells name, size and media type of what was uploaded."""
    attachment_id = api.upload(b"12345", name="a.png", Content_Type="image/png")
    posted = post(api, attachments=[{"type": kind, "attachment_id": attachment_id}])
    assert posted["attachments"] == [
        {
            "type": kind,
            "attachment_id": attachment_id,
            "name": "a.png",
            "size": 5,
            "content_type": "image/png",
        }
    ]


def test_other_attachments_have_null_for_what_is_left_out(api: Api) -> None:
    """Calendar entries and places are complete."""
    assert post(api, attachments=[CALENDAR, PLACE])["attachments"] == [
        {**CALENDAR, "description": None, "location": None},
        {**PLACE, "address": None, "city": None, "country": None, "postal_code": None},
    ]


def test_attachment_of_the_bots_chats_can_be_passed_on(api: Api) -> None:
    """What the bot can download it can post."""
    wanted = {"type": "file", "attachment_id": KNOWN_ATTACHMENT}
    assert post(api, attachments=[wanted])["attachments"][0]["name"] == "Dienstplan.csv"


def test_unknown_attachments_are_named(api: Api) -> None:
    """Ids that lead to nothing are refused."""
    wanted = [{"type": "file", "attachment_id": each} for each in ("nope", KNOWN_ATTACHMENT, "0")]
    answer = api.post(MESSAGES, json={"attachments": wanted})
    details = answer.json()["error"]
    assert (answer.status_code, details["code"], details["attachment_ids"]) == (
        422,
        "invalid_attachments",
        ["nope", "0"],
    )


SENSELESS: list[Any] = [
    {"attachments": []},
    {"attachments": {}},
    {"attachments": [1]},
    {"attachments": [CALENDAR] * 21},
    {"attachments": [{}]},
    {"attachments": [{"type": "poll"}]},
    {"attachments": [{"type": "file"}]},
    {"attachments": [{"type": "file", "attachment_id": 1}]},
    {"attachments": [{"type": "file", "attachment_id": "x", "name": "y"}]},
    {"attachments": [{**CALENDAR, "title": None}]},
    {"attachments": [{**CALENDAR, "start_date": 6}]},
    {"attachments": [{**CALENDAR, "end_date": 5.5}]},
    {"attachments": [{**CALENDAR, "end_date": True}]},
    {"attachments": [{**CALENDAR, "end_date": 10**18}]},
    {"attachments": [{**CALENDAR, "location": 1}]},
    {"attachments": [{**CALENDAR, "lat": 1}]},
    {"attachments": [{**PLACE, "lat": 90.1}]},
    {"attachments": [{**PLACE, "lat": True}]},
    {"attachments": [{**PLACE, "lon": -181}]},
    {"attachments": [{**PLACE, "lon": "1"}]},
    {"attachments": [{**PLACE, "name": "\ud800"}]},
    {"attachments": [{**PLACE, "planet": "x"}]},
    {"message": "x", "alert_type": "alert"},
    {"message": "x", "is_alert": True, "alert_type": "panic"},
    {"message": "x", "is_alert": None},
    {"message": "x", "reply_to": 1},
    {"message": "x", "sender_display_name": ""},
    {"message": "x", "sender_display_name": "x" * 101},
    {"message": "x", "mid": "y"},
]


def test_senseless_message_is_refused(api: Api) -> None:
    """What the contract does not allow changes nothing."""
    answers = [(body, error(api.post(MESSAGES, json=body))) for body in SENSELESS]
    assert [each for each in answers if each[1] != (422, "invalid_request")] == []


def test_infinite_place_is_refused(api: Api) -> None:
    """A number that is too large for a number is no latitude."""
    text = '{"attachments": [{"type": "location", "name": "x", "lat": 1e999, "lon": 0}]}'
    assert error(api.send_json(MESSAGES, text)) == (422, "invalid_request")


def test_most_attachments_are_accepted(api: Api) -> None:
    """Twenty are not too many."""
    assert len(post(api, attachments=[CALENDAR] * 20)["attachments"]) == 20


def test_reply_to_another_chat_is_refused(api: Api) -> None:
    """A message answers one of its own chat."""
    tid = api.box.add_chat("other", users=[KNOWN_USER]).tid
    answer = api.post(f"{CHATS}{tid}/messages/", json={"message": "x", "reply_to": KNOWN_MESSAGE})
    assert error(answer) == (422, "invalid_reply_to")


def test_sending_can_be_for_administrators_only(api: Api) -> None:
    """Where members may not post, the bot must be an administrator."""
    tid = api.box.add_chat("quiet", users=[KNOWN_USER], allow_sending=False).tid
    answer = api.post(f"{CHATS}{tid}/messages/", json={"message": "x"})
    assert error(answer) == (403, "sending_not_allowed")


def test_administrator_may_always_post(api: Api) -> None:
    """Where members may not post, an administrator may."""
    tid = api.box.add_chat("quiet", users=[KNOWN_USER], allow_sending=False, bot_is_admin=True).tid
    assert api.post(f"{CHATS}{tid}/messages/", json={"message": "x"}).status_code == 200


@pytest.mark.parametrize(
    ("text", "url", "domain"),
    [
        ("see https://example.org/a?b=c#d.", "https://example.org/a?b=c#d", "example.org"),
        ("(HTTP://Example.org:81)", "HTTP://Example.org:81", "example.org"),
        ("http://[x https://b.example, https://c.example", "https://b.example", "b.example"),
        ("https://wäre.example/ü!", "https://wäre.example/ü", "wäre.example"),
    ],
)
def test_link_has_a_preview(text: str, url: str, domain: str) -> None:
    """The first link of a text is described by its host."""
    assert link_preview(text) == {
        "url": url,
        "title": domain,
        "description": None,
        "image": None,
        "domain": domain,
    }


@pytest.mark.parametrize("text", ["", "example.org", "ftp://example.org", "http://", "https:///x"])
def test_text_without_link_has_no_preview(text: str) -> None:
    """Only links with a host count."""
    assert link_preview(text) is None


def test_preview_is_in_the_message(api: Api) -> None:
    """The server makes it when a message is posted."""
    assert post(api, message="https://example.org")["link_preview"]["domain"] == "example.org"


def test_newest_message_comes_first(api: Api) -> None:
    """A page goes backwards in time."""
    posted = [post(api, message=str(number))["mid"] for number in range(3)]
    assert [each["mid"] for each in page(api)["messages"]][:3] == posted[::-1]


@pytest.mark.parametrize("limit", [1, 3, 8, 9])
def test_pages_have_each_message_once(api: Api, limit: int) -> None:
    """Following the pages gives all messages, and each page but the last is full."""
    pages = mids(api, limit)
    assert [mid for each in pages for mid in each] == mids(api, 200)[0]


@pytest.mark.parametrize(("limit", "sizes"), [(3, [3, 3, 2]), (4, [4, 4]), (8, [8]), (9, [8])])
def test_pages_are_full(api: Api, limit: int, sizes: list[int]) -> None:
    """Only the last page can be short, and it is not empty."""
    assert [len(each) for each in mids(api, limit)] == sizes


def test_page_has_fifty_messages(api: Api) -> None:
    """There is a default for the limit."""
    for number in range(60):
        api.box.post_message(KNOWN_CHAT, str(number))
    assert len(page(api)["messages"]) == 50


def test_page_has_two_hundred_messages_at_most(api: Api) -> None:
    """A larger limit counts as the largest."""
    for number in range(201):
        api.box.post_message(KNOWN_CHAT, str(number))
    assert len(page(api, limit=10**20)["messages"]) == 200


def test_pages_stay_while_others_post(api: Api) -> None:
    """What is posted meanwhile is in no later page, and nothing is missed or twice."""
    expected = mids(api, 200)[0]
    end = threading.Event()

    def chatter() -> None:
        while not end.is_set():
            api.box.post_message(KNOWN_CHAT, "blah")

    first = page(api, limit=2)
    seen = [each["mid"] for each in first["messages"]]
    before = first["next_before"]
    poster = threading.Thread(target=chatter)
    poster.start()
    try:
        while before is not None:
            document = page(api, limit=2, before=before)
            seen += [each["mid"] for each in document["messages"]]
            before = document["next_before"]
    finally:
        end.set()
        poster.join()
    assert seen == expected


def test_empty_chat_has_an_empty_page(api: Api) -> None:
    """No messages are no error."""
    tid = api.box.add_chat("new", users=[KNOWN_USER]).tid
    assert api.get(f"{CHATS}{tid}/messages/").json() == {
        "messages": [],
        "users": [],
        "next_before": None,
    }


def test_page_describes_each_author_once(api: Api) -> None:
    """The users of a page are those who wrote in it."""
    document = page(api)
    described = [user["uid"] for user in document["users"]]
    assert described == list(dict.fromkeys(each["from_user_id"] for each in document["messages"]))


def test_deleted_message_keeps_its_place(api: Api) -> None:
    """A deleted message is marked, and has no content any more."""
    before = page(api)["messages"]
    api.box.delete_message(KNOWN_CHAT, before[6]["mid"])
    gone = {"message": None, "attachments": [], "link_preview": None, "deleted": True}
    assert before[6]["attachments"]
    assert page(api)["messages"] == [*before[:6], {**before[6], **gone}, *before[7:]]


@pytest.mark.parametrize("before", ["nope", "", "{other}"])
def test_foreign_cursor_is_refused(api: Api, before: str) -> None:
    """A page goes on from a message of this chat only."""
    tid = api.box.add_chat("other", users=[KNOWN_USER]).tid
    mid = api.box.post_message(tid, "x")
    answer = api.get(MESSAGES, params={"before": before.format(other=mid)})
    assert error(answer) == (422, "invalid_cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", ""])
def test_senseless_limit_is_refused(api: Api, limit: str) -> None:
    """A limit is an integer of at least 1."""
    assert error(api.get(MESSAGES, params={"limit": limit})) == (422, "invalid_request")


def test_messages_of_a_left_chat_are_not_found(api: Api) -> None:
    """With the chat its messages are gone."""
    api.box.remove_chat(KNOWN_CHAT)
    assert error(api.get(MESSAGES)) == (404, "not_found")


def test_refused_message_keeps_nothing(api: Api) -> None:
    """A message is posted wholly or not at all."""
    before, now = page(api), api.now()
    api.post(
        MESSAGES, json={"message": "x", "attachments": [{"type": "file", "attachment_id": "x"}]}
    )
    assert (page(api), api.since(now)) == (before, [])


def test_uploads_path_is_no_attachment(api: Api) -> None:
    """An id that no upload gave is not found, whatever it looks like."""
    forged = base64.urlsafe_b64encode(b"../../x").decode()
    assert error(api.get(f"{UPLOADS}{forged}/content/")) == (404, "not_found")
