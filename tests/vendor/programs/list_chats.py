# ruff: noqa: T201

from teamwire_api import Connection


async def list_chats(connection):
    chats = await connection.chats.get_subscriptions()

    print("Available chats:")

    for chat in chats:
        chat_title = chat.title or "no title"
        print(f"- {chat_title}, ID: {chat.tid}")


with Connection() as connection:
    connection.exec_async(list_chats(connection))
