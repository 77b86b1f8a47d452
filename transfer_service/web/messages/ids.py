"""Ids of conversations and messages in what clients send."""

from transfer_service.wire.chat_ids import parse_chat_id


def parse_conversation_id(value: object) -> str:
    """The id of a conversation. Raises InvalidRequest."""
    return parse_chat_id(value, detail="Invalid conversation id")


def parse_message_id(value: object) -> str:
    """The id of a message. Raises InvalidRequest."""
    return parse_chat_id(value, detail="Invalid message id")


def parse_reply(value: object) -> str | None:
    """The id of the message that is answered, None where there is none. Raises InvalidRequest."""
    return None if value in (None, "") else parse_message_id(value)
