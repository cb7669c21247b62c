"""A web server that lists the bot's chats and finds one by its title.

    gunicorn --preload --workers 4 flask_app:app

Each worker lists the chats once, and answers look-ups from memory.
"""

from flask import Flask

from teamwire_sync import Connection, TWAmbiguousTitleError, TWError, TWNotFoundError

# Made once, before gunicorn forks. Each worker starts with the chats in memory.
connection = Connection(app_name="flask-app")
app = Flask(__name__)


@app.get("/chats/")
def list_chats():
    chats = connection.chats.get_subscriptions()
    return [{"tid": chat.tid, "title": chat.title} for chat in chats]


@app.get("/chats/<path:title>")
def find_chat(title):
    chat = connection.chats.one_by_title(title)
    return {
        "tid": chat.tid,
        "title": chat.title,
        "users": [user.full_name() for user in chat.users],
    }


@app.errorhandler(TWNotFoundError)
def not_found(error):
    return {"error": "there is no such chat", "close": error.close_titles}, 404


@app.errorhandler(TWAmbiguousTitleError)
def ambiguous(error):
    tids = [chat.tid for chat in error.candidates]
    return {"error": "several chats", "tids": tids}, 409


@app.errorhandler(TWError)
def unavailable(error):
    app.logger.error("%s", error)
    return {"error": "Teamwire can't be asked just now"}, 502
