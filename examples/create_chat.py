"""Create a chat with a user and a circle, and a first message."""

from teamwire_sync import Connection


def create_chat(connection):
    # find a recipient user by its id
    user = connection.users.get_user("rVRCfuQEtkgnZBZEgbHVji")
    # find a recipient circle by its id
    circle = connection.groups.get_group("45529")

    # chat title
    title = "hello world"
    # initial message
    message = "test message"

    # create the chat
    chat = connection.chats.create_chat(
        title=title,
        users=[user],  # user recipients
        groups=[circle],  # group recipients
        message=message,  # optional first message
    )
    print(f"new chat created with id: {chat.tid}")


with Connection() as connection:
    create_chat(connection)
