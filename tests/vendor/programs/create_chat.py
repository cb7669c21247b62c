# ruff: noqa: T201

from teamwire_api import Connection


async def create_chat(connection):
    user = await connection.users.get_user("rVRCfuQEtkgnZBZEgbHVji")
    circle = await connection.groups.get_group("45529")

    title = "hello world"
    message = "test message"

    chat = await connection.chats.create_chat(
        title=title,
        users=[user],
        groups=[circle],
        message=message,
    )
    print(f"new chat created with id: {chat.tid}")


with Connection() as connection:
    connection.exec_async(create_chat(connection))
