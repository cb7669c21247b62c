"""Uses each operation of a client that openapi-python-client has generated.

It prints the status and the code of the error, by the name of the operation, as JSON.
"""

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
from contract_client.models import (
    AdminEdit,
    ChatEdit,
    GroupMemberEdit,
    MemberEdit,
    NewChat,
    NewMessage,
)
from contract_client.types import File

given = json.load(sys.stdin)
credentials = f"{given['app_id']}:{given['secret']}".encode()
client = AuthenticatedClient(
    given["url"],
    token=base64.b64encode(credentials).decode(),
    prefix="Basic",
    raise_on_unexpected_status=True,
)
uid, gid, tid = given["uid"], given["gid"], given["tid"]
CALLS = [
    (get_me, [], None),
    (list_chats, [], None),
    (create_chat, [], NewChat(title="made", user_ids=[uid])),
    (edit_chat, [tid], ChatEdit(title="x")),
    (edit_members, [tid], MemberEdit(add_user_ids=[uid])),
    (edit_admins, [tid], AdminEdit(add_user_ids=[uid])),
    (leave_chat, [tid], None),
    (list_messages, [tid], None),
    (post_message, [tid], NewMessage(message="hello")),
    (download_attachment, ["a"], None),
    (list_users, [], None),
    (get_user, [uid], None),
    (get_avatar, [uid], None),
    (list_groups, [], None),
    (get_group, [gid], None),
    (edit_group_members, [given["list_gid"]], GroupMemberEdit(add_user_ids=[uid])),
    (list_events, [], None),
]
got = {}


def note(operation, answer):
    """Note what the server has answered."""
    error = getattr(answer.parsed, "error", None)
    code = None if error is None else error.code
    got[operation.__name__.rpartition(".")[2]] = [int(answer.status_code), code]


for operation, ids, body in CALLS:
    options = {} if body is None else {"body": body}
    note(operation, operation.sync_detailed(*ids, client=client, **options))
body = File(payload=BytesIO(bytes.fromhex(given["content"])))
note(upload_attachment, upload_attachment.sync_detailed(client=client, name="x", body=body))
json.dump(got, sys.stdout)
