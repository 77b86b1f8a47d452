"""What people call things of their own, such as keys: a line of text that is shown to them again as it was written."""

from transfer_service.errors import InvalidRequest
from transfer_service.wire.filenames import has_control

MAX_TITLE_CHARACTERS = 255


def parse_title(value: object, *, what: str) -> str:
    """The title; `what` is the field that holds it. Raises InvalidRequest."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{what} must be a string")
    if len(value) > MAX_TITLE_CHARACTERS:
        raise InvalidRequest(f"{what} must have at most {MAX_TITLE_CHARACTERS} characters")
    if not value.strip():
        raise InvalidRequest(f"{what} must not be empty")
    if has_control(value):
        raise InvalidRequest(f"{what} must be text without control characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # lone surrogates
        raise InvalidRequest(f"{what} is not valid Unicode") from error
    return value
