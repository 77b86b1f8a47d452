"""What people write in a chat, checked before it is stored."""

import re
import secrets
from datetime import datetime

from transfer_service.errors import InvalidRequest

_CHAT_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)
_SECONDS_MASK = 0xFFFF_FFFF


def new_chat_id(now: datetime) -> str:
    """An id made at `now`: four bytes of unix seconds, then eight that nobody can guess."""
    return f"{int(now.timestamp()) & _SECONDS_MASK:08x}{secrets.token_hex(8)}"


def parse_chat_id(value: object, *, detail: str = "Invalid id") -> str:
    """The id. Raises InvalidRequest with `detail` for anything that is none."""
    if not isinstance(value, str) or _CHAT_ID.fullmatch(value) is None:
        raise InvalidRequest(detail)
    return value


MAX_CONTENT_CHARACTERS = 65_536
MAX_GROUP_NAME_CHARACTERS = 255


def parse_text(value: object) -> str:
    """The content of a text message, as it was written. Raises InvalidRequest."""
    text = _parse(value, what="content", limit=MAX_CONTENT_CHARACTERS)
    if not text.strip():
        raise InvalidRequest("content must not be empty")
    return text


def parse_caption(value: object) -> str | None:
    """The text beside an attachment, None where nothing can be seen of it. Raises InvalidRequest."""
    if value is None:
        return None
    caption = _parse(value, what="content", limit=MAX_CONTENT_CHARACTERS)
    return caption if caption.strip() else None


def parse_group_name(value: object) -> str:
    """The name of a group. Raises InvalidRequest."""
    name = _parse(value, what="group_name", limit=MAX_GROUP_NAME_CHARACTERS)
    if not name.strip():
        raise InvalidRequest("group_name must not be empty")
    return name


def parse_account_name(value: object) -> str:
    """A string that may be an account's name. Raises InvalidRequest."""
    if not isinstance(value, str):
        raise InvalidRequest("An account name must be a string")
    return value


def parse_account_names(value: object) -> list[str]:
    """A list of such strings, each once. Raises InvalidRequest."""
    if not isinstance(value, list | tuple):
        raise InvalidRequest("participants must be a list of account names")
    return list(dict.fromkeys(map(parse_account_name, value)))


def _parse(value: object, *, what: str, limit: int) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"{what} must be a string")
    if len(value) > limit:
        raise InvalidRequest(f"{what} must have at most {limit} characters")
    if "\0" in value:  # PostgreSQL cannot store it
        raise InvalidRequest(f"{what} must not contain NUL")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # lone surrogates
        raise InvalidRequest(f"{what} is not valid Unicode") from error
    return value


def parse_conversation_id(value: object) -> str:
    """The id of a conversation. Raises InvalidRequest."""
    return parse_chat_id(value, detail="Invalid conversation id")


def parse_message_id(value: object) -> str:
    """The id of a message. Raises InvalidRequest."""
    return parse_chat_id(value, detail="Invalid message id")


def parse_reply(value: object) -> str | None:
    """The id of the message that is answered, None where there is none. Raises InvalidRequest."""
    return None if value in (None, "") else parse_message_id(value)
