# ruff: noqa: T201

from teamwire_api import Connection


async def get_chat_by_title(connection):
    title = "test"
    chats = await connection.chats.get_by_title(title)
    if len(chats) == 0:
        print(f'no chats with title "{title}" found')
        return

    print(f'Available chats with title "{title}":')

    for chat in chats:
        print(f"- {chat.tid}")


with Connection() as connection:
    connection.exec_async(get_chat_by_title(connection))
