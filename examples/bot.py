"""Watch one chat and reply in it, until Ctrl-C.

    python bot.py "chat title"

The bot replies to "hello". After "messages", it posts the last messages as a file. After
"follow up", it creates a chat with the author, once.
"""

import io
import sys

from teamwire_sync import Attachments, Connection, NewMessageInfo, TWError


def watch(connection, title):
    # before the look-up of the chat, so that no message during the look-up is lost
    events = connection.events()
    chat = connection.chats.one_by_title(title)
    print(f"watching {chat.title}, Ctrl-C ends it", flush=True)

    # the loop omits the messages of the bot itself
    for event in events:
        if isinstance(event, NewMessageInfo) and event.chat.tid == chat.tid:
            try:
                answer(connection, event.message)
            except TWError as error:
                # for example, the chat is closed: wait for the next message
                print(f"no answer: {error}", file=sys.stderr)


def answer(connection, message):
    # a message that is only an attachment has no text
    text = (message.msg or "").strip().lower()

    if text == "hello":
        message.reply(f"hello {message.from_user.first_name}")
    elif text == "messages":
        file = io.BytesIO(history(message.chat).encode())
        message.reply("here they are", Attachments().add_file(file, "messages.txt"))
    elif text == "follow up":
        follow_up(connection, message)


def history(chat):
    # get_messages returns the newest message first
    lines = [
        f"{message.tstamp_date:%Y-%m-%d %H:%M} {message.from_user.full_name()}: {message.msg or ''}"
        for message in reversed(chat.get_messages(limit=100))
    ]
    return "\n".join(lines)


def follow_up(connection, message):
    user = message.from_user
    title = f"{message.chat.title}: follow-up of {user.full_name()}"

    # from memory, unless the last listing is older than 5 seconds
    if connection.chats.get_by_title(title):
        message.reply(f'there is the chat "{title}" already')
        return

    chat = connection.chats.create_chat(title=title, users=[user], message="how can I help?")
    print(f"new chat created with id: {chat.tid}", flush=True)
    message.reply(f'see the chat "{title}"')


try:
    with Connection() as connection:
        if len(sys.argv) != 2:
            sys.exit('usage: python bot.py "chat title"')
        watch(connection, sys.argv[1])
except KeyboardInterrupt:
    print("ended")
except TWError as error:
    sys.exit(f"{type(error).__name__}: {error}")
