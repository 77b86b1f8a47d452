"""The same chat without uploads, the way it is usually written with Flask-SocketIO: a room for each conversation.

It has neither accounts nor a database, checks nothing and keeps nothing; and it listens to everybody. So it is the
least that delivering a message through Flask-SocketIO costs.
"""

import uuid
from datetime import UTC, datetime

from flask import Flask
from flask_socketio import SocketIO, emit, join_room

app = Flask(__name__)
socketio = SocketIO(app, async_mode="gevent")


@socketio.on("join_conversation")
def join(data: dict) -> dict:
    """Hear what is said in a conversation."""
    join_room(data["conversation_id"])
    return {"success": True}


@socketio.on("send_message")
def send_message(data: dict) -> dict:
    """Say something to everybody in the conversation."""
    message = {
        "_id": uuid.uuid4().hex[:24],
        "conversation_id": data["conversation_id"],
        "sender": "somebody",
        "content": data["content"],
        "type": data["type"],
        "media_url": None,
        "reply_to": None,
        "is_read": False,
        "is_deleted": False,
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "edited_at": None,
        "pinned": False,
    }
    emit("new_message", message, to=data["conversation_id"])
    return {"success": True, "message": message}
