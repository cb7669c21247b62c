"""Find the chats with a given title."""

from teamwire_sync import Connection


def get_chat_by_title(connection):
    title = "test"
    chats = connection.chats.get_by_title(title)

    if len(chats) == 0:
        print(f'no chats with title "{title}" found')
        return

    print(f'Available chats with title "{title}":')
    for chat in chats:
        print(f"- {chat.tid}")


with Connection() as connection:
    get_chat_by_title(connection)
