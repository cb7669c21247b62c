"""Uses a client that openapi-generator has generated, and prints what it got as JSON."""

from __future__ import annotations

import json
import sys

from contract_client import ApiClient, Configuration
from contract_client.api import AttachmentsApi, ChatsApi, DirectoryApi, EventsApi, ServiceApi
from contract_client.exceptions import ApiException
from contract_client.models import (
    AdminEdit,
    AlertType,
    ChatEdit,
    GroupMemberEdit,
    MemberEdit,
    NewAttachment,
    NewCalendarAttachment,
    NewChat,
    NewLocationAttachment,
    NewMessage,
    NewUploadedAttachment,
)

given = json.load(sys.stdin)
client = ApiClient(
    Configuration(host=given["url"], username=given["app_id"], password=given["secret"])
)
attachments, chats, directory, events, service = (
    api(client) for api in (AttachmentsApi, ChatsApi, DirectoryApi, EventsApi, ServiceApi)
)


def every(operation, listed, **query):
    """The number of pages, and what is on them."""
    pages, cursor = 0, None
    found = []
    while pages == 0 or cursor is not None:
        page = operation(cursor=cursor, **query)
        found += [each.to_dict() for each in getattr(page, listed)]
        pages, cursor = pages + 1, page.next_cursor
    return {"pages": pages, listed: found}


got = {"health": service.health().status, "me": directory.get_me().user.to_dict()}
# The directory.
got["users"] = every(directory.list_users, "users", limit=20)
got["groups"] = every(directory.list_groups, "groups", limit=4)
got["user"] = directory.get_user(given["uid"]).user.to_dict()
got["avatar"] = directory.get_avatar(given["with_avatar"]).hex()
got["group"] = directory.get_group(given["gid"]).to_dict()
edited = directory.edit_group_members(
    given["list_gid"], GroupMemberEdit(add_user_ids=[given["uid"]])
)
got["added"] = edited.user_ids
# What others have done.
found = events.list_events(cursor=given["cursor"]).events
got["events"] = [each.to_dict() for each in found]
got["kinds_of_events"] = [type(each.actual_instance).__name__ for each in found]
page = chats.list_messages(given["tid"], limit=200)
got["messages"] = [each.to_dict() for each in page.messages]
# The list of chats, and its changes.
got["chats"] = every(chats.list_chats, "chats", limit=40)
listed = chats.list_chats_with_http_info()
try:
    chats.list_chats(if_none_match=listed.headers["ETag"])
except ApiException as error:
    got["unchanged"] = [error.status, error.data]
made = chats.create_chat(
    NewChat(title="Übergabe 🚑", user_ids=[given["uid"]], group_ids=[given["gid"]]),
    idempotency_key="key-1",
).chat
got["made"] = made.to_dict()
pair = chats.create_chat(NewChat(user_ids=[given["uid"]], message="hello")).chat
got["pair"] = pair.to_dict()
chats.leave_chat(pair.tid)
changes = chats.list_chats(since=int(listed.headers["Teamwire-Revision"]))
got["changes"] = {
    "chats": [each.tid for each in changes.chats],
    "gone": changes.gone,
    "total": changes.total,
}
# One chat.
start = events.list_events().cursor
edits = [
    chats.edit_chat(made.tid, ChatEdit(title=None, allow_sending=False)),
    chats.edit_members(made.tid, MemberEdit(remove_group_ids=[given["gid"]])),
    chats.edit_admins(made.tid, AdminEdit(add_user_ids=[given["uid"]])),
]
got["edited"] = edits[-1].chat.to_dict()
content = bytes.fromhex(given["content"])
uploaded = attachments.upload_attachment("Lageplan.pdf", body=content)
posted = chats.post_message(
    made.tid,
    NewMessage(
        message="see https://www.example.org/plan",
        is_alert=True,
        alert_type=AlertType.ALERT,
        attachments=[
            NewAttachment(NewUploadedAttachment(type="file", attachment_id=uploaded.attachment_id)),
            NewAttachment(
                NewCalendarAttachment(
                    type="calendar",
                    title="Visite",
                    start_date=1746511200000,
                    end_date=1746514800000,
                )
            ),
            NewAttachment(
                NewLocationAttachment(
                    type="location", name="Klinikum Süd", lat=48.1112, lon=11.4702
                )
            ),
        ],
    ),
).message
got["posted"] = posted.to_dict()
got["kinds_of_attachments"] = [type(each.actual_instance).__name__ for each in posted.attachments]
chats.post_message(
    made.tid,
    NewMessage(message="a reply", reply_to=posted.mid, sender_display_name="Leitstelle"),
)
page = chats.list_messages(made.tid, limit=1)
got["newest"] = [each.to_dict() for each in page.messages]
page = chats.list_messages(made.tid, before=page.next_before)
got["older"] = [each.message for each in page.messages]
got["content"] = attachments.download_attachment(
    posted.attachments[0].actual_instance.attachment_id
).hex()
found = events.list_events(cursor=start, wait=30).events
got["own_events"] = [type(each.actual_instance).__name__ for each in found]


def refusal(operation, *arguments):
    """Return the response of the server to a request that it refuses."""
    try:
        operation(*arguments)
    except ApiException as error:
        return error.data.to_dict()
    return None


got["refused"] = [
    refusal(directory.get_user, "nobody"),
    refusal(chats.create_chat, NewChat(user_ids=["nobody"])),
    refusal(chats.edit_chat, pair.tid, ChatEdit(title="x")),
]
json.dump(got, sys.stdout)
