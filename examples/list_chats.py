"""List all the chats that the bot is a member of."""

from teamwire_sync import Connection


def list_chats(connection):
    # retrieve all the chats involving the bot
    chats = connection.chats.get_subscriptions()

    print("Available chats:")
    for chat in chats:
        chat_title = chat.title or "no title"
        print(f"- {chat_title}, ID: {chat.tid}")


with Connection() as connection:
    list_chats(connection)
