"""Find a chat by its thread ID."""

from teamwire_sync import Connection


def get_chat_by_thread_id(connection):
    chat = connection.chats.get_by_thread_id("7MQKchz6wsSzmWTVnppGAc")

    if chat:
        chat_title = chat.title or "no title"
        print(f"Found chat: {chat_title}, ID: {chat.tid}")
    else:
        print("Chat not found")


with Connection() as connection:
    get_chat_by_thread_id(connection)
