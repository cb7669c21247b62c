# ruff: noqa: T201

from teamwire_api import Connection
from teamwire_api.chats import AlertType, ChatType
from teamwire_api.exceptions import TWAuthError, TWNotFoundError
from teamwire_api.users import User


async def members_of(chat):
    return [user.full_name() for user in chat.users if isinstance(user, User)]


async def alert(connection):
    chats = await connection.chats.get_by_title("test")
    chat = next(chat for chat in chats if chat.type == ChatType.GROUP)
    names = await members_of(chat)
    try:
        await chat.post(f"{names[0]}, use the stairs", is_alert=True, alert_type=AlertType.NOTE)
    except (TWAuthError, TWNotFoundError) as error:
        print(error)
    print(f"posted in {chat.tid}")


with Connection() as connection:
    connection.exec_async(alert(connection))
