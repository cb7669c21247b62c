"""Watch one chat and answer in it, until Ctrl-C.

    python bot.py "chat title"

"hello" is answered, "messages" posts the last messages as a file, and "follow up" makes a chat with
who asked for it, once.
"""

import io
import sys

from teamwire_sync import Attachments, Connection, NewMessageInfo, TWError


def watch(connection, title):
    # what is posted from here on is heard, also while the chat is looked up
    events = connection.events()
    chat = connection.chats.one_by_title(title)
    print(f"watching {chat.title}, Ctrl-C ends it", flush=True)

    # what the bot itself posts is no event
    for event in events:
        if isinstance(event, NewMessageInfo) and event.chat.tid == chat.tid:
            try:
                answer(connection, event.message)
            except TWError as error:
                # the chat may be closed, for example: the next message is another one
                print(f"no answer: {error}", file=sys.stderr)


def answer(connection, message):
    # a message may be an attachment alone
    text = (message.msg or "").strip().lower()

    if text == "hello":
        message.reply(f"hello {message.from_user.first_name}")
    elif text == "messages":
        file = io.BytesIO(history(message.chat).encode())
        message.reply("here they are", Attachments().add_file(file, "messages.txt"))
    elif text == "follow up":
        follow_up(connection, message)


def history(chat):
    # newest first, so turned round
    lines = [
        f"{message.tstamp_date:%Y-%m-%d %H:%M} {message.from_user.full_name()}: {message.msg or ''}"
        for message in reversed(chat.get_messages(limit=100))
    ]
    return "\n".join(lines)


def follow_up(connection, message):
    user = message.from_user
    title = f"{message.chat.title}: follow-up of {user.full_name()}"

    # the list of chats is in memory: only a new chat makes it be read again
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
