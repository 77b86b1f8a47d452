"""The field `reply_to` of a message."""

from transfer_service.wire.chat_ids import parse_chat_id


def parse_reply(value: object) -> str | None:
    """The id of the message that is answered, None where there is none. Raises InvalidRequest."""
    return None if value in (None, "") else parse_chat_id(value, detail="Invalid message id")
