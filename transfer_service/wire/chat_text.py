"""What people write in a chat, checked before it is stored."""

from transfer_service.errors import InvalidRequest

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
