# ruff: noqa: T201

from teamwire_api import Connection


async def get_chat_by_thread_id(connection):
    chat = await connection.chats.get_by_thread_id("7MQKchz6wsSzmWTVnppGAc")
    if chat:
        chat_title = chat.title or "no title"
        print(f"Found chat: {chat_title}, ID: {chat.tid}")
    else:
        print("Chat not found")


with Connection() as connection:
    connection.exec_async(get_chat_by_thread_id(connection))
