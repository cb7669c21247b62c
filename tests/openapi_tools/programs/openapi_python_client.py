"""Uses a client that openapi-python-client has generated, and prints what it got as JSON."""

from __future__ import annotations

import base64
import json
import sys
from io import BytesIO

from contract_client import AuthenticatedClient
from contract_client.api.attachments import download_attachment, upload_attachment
from contract_client.api.chats import (
    create_chat,
    edit_admins,
    edit_chat,
    edit_members,
    leave_chat,
    list_chats,
    list_messages,
    post_message,
)
from contract_client.api.directory import (
    edit_group_members,
    get_avatar,
    get_group,
    get_me,
    get_user,
    list_groups,
    list_users,
)
from contract_client.api.events import list_events
from contract_client.api.service import health
from contract_client.models import (
    AdminEdit,
    AlertType,
    ChatEdit,
    GroupMemberEdit,
    MemberEdit,
    NewCalendarAttachment,
    NewChat,
    NewLocationAttachment,
    NewMessage,
    NewUploadedAttachment,
    NewUploadedAttachmentType,
)
from contract_client.types import UNSET, File

given = json.load(sys.stdin)
credentials = f"{given['app_id']}:{given['secret']}".encode()
client = AuthenticatedClient(
    given["url"],
    token=base64.b64encode(credentials).decode(),
    prefix="Basic",
    raise_on_unexpected_status=True,
)


def known(model):
    """The properties of a model, if the client has them all."""
    assert model.additional_properties == {}, model
    return model.to_dict()


def every(operation, listed, **query):
    """The number of pages, and what is on them."""
    pages, cursor = 0, UNSET
    found = []
    while cursor is not None:
        page = operation.sync(client=client, cursor=cursor, **query)
        found += [known(each) for each in getattr(page, listed)]
        pages, cursor = pages + 1, page.next_cursor
    return {"pages": pages, listed: found}


got = {"health": health.sync(client=client).status, "me": known(get_me.sync(client=client).user)}
# The directory.
got["users"] = every(list_users, "users", limit=20)
got["groups"] = every(list_groups, "groups", limit=4)
got["user"] = known(get_user.sync(given["uid"], client=client).user)
got["avatar"] = get_avatar.sync(given["with_avatar"], client=client).payload.read().hex()
got["group"] = known(get_group.sync(given["gid"], client=client))
edited = edit_group_members.sync(
    given["list_gid"], client=client, body=GroupMemberEdit(add_user_ids=[given["uid"]])
)
got["added"] = edited.user_ids
# What others have done.
events = list_events.sync(client=client, cursor=given["cursor"]).events
got["events"] = [known(each) for each in events]
got["kinds_of_events"] = [type(each).__name__ for each in events]
page = list_messages.sync(given["tid"], client=client, limit=200)
got["messages"] = [known(each) for each in page.messages]
# The list of chats, and its changes.
got["chats"] = every(list_chats, "chats", limit=40)
listed = list_chats.sync_detailed(client=client)
unchanged = list_chats.sync_detailed(client=client, if_none_match=listed.headers["ETag"])
got["unchanged"] = [unchanged.status_code, unchanged.parsed]
made = create_chat.sync(
    client=client,
    body=NewChat(title="Übergabe 🚑", user_ids=[given["uid"]], group_ids=[given["gid"]]),
    idempotency_key="key-1",
).chat
got["made"] = known(made)
pair = create_chat.sync(client=client, body=NewChat(user_ids=[given["uid"]], message="hello")).chat
got["pair"] = known(pair)
leave_chat.sync(pair.tid, client=client)
changes = list_chats.sync(client=client, since=int(listed.headers["Teamwire-Revision"]))
got["changes"] = {
    "chats": [each.tid for each in changes.chats],
    "gone": changes.gone,
    "total": changes.total,
}
# One chat.
start = list_events.sync(client=client).cursor
edits = [
    edit_chat.sync(made.tid, client=client, body=ChatEdit(title=None, allow_sending=False)),
    edit_members.sync(made.tid, client=client, body=MemberEdit(remove_group_ids=[given["gid"]])),
    edit_admins.sync(made.tid, client=client, body=AdminEdit(add_user_ids=[given["uid"]])),
]
got["edited"] = known(edits[-1].chat)
content = bytes.fromhex(given["content"])
uploaded = upload_attachment.sync(
    client=client, name="Lageplan.pdf", body=File(payload=BytesIO(content))
)
posted = post_message.sync(
    made.tid,
    client=client,
    body=NewMessage(
        message="see https://www.example.org/plan",
        is_alert=True,
        alert_type=AlertType.ALERT,
        attachments=[
            NewUploadedAttachment(
                type_=NewUploadedAttachmentType.FILE, attachment_id=uploaded.attachment_id
            ),
            NewCalendarAttachment(
                type_="calendar", title="Visite", start_date=1746511200000, end_date=1746514800000
            ),
            NewLocationAttachment(type_="location", name="Klinikum Süd", lat=48.1112, lon=11.4702),
        ],
    ),
).message
got["posted"] = known(posted)
got["kinds_of_attachments"] = [type(each).__name__ for each in posted.attachments]
post_message.sync(
    made.tid,
    client=client,
    body=NewMessage(message="a reply", reply_to=posted.mid, sender_display_name="Leitstelle"),
)
page = list_messages.sync(made.tid, client=client, limit=1)
got["newest"] = [known(each) for each in page.messages]
page = list_messages.sync(made.tid, client=client, before=page.next_before)
got["older"] = [each.message for each in page.messages]
downloaded = download_attachment.sync(posted.attachments[0].attachment_id, client=client)
got["content"] = downloaded.payload.read().hex()
events = list_events.sync(client=client, cursor=start, wait=30).events
got["own_events"] = [type(each).__name__ for each in events]
refused = [
    get_user.sync(client=client, uid="nobody"),
    create_chat.sync(client=client, body=NewChat(user_ids=["nobody"])),
    edit_chat.sync(pair.tid, client=client, body=ChatEdit(title="x")),
]
got["refused"] = [known(each) for each in refused]
json.dump(got, sys.stdout)
