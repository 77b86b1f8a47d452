"""Content-Disposition: of responses (RFC 6266) and of the parts of a form (RFC 7578)."""

import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from transfer_service.errors import InvalidName

_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.ASCII | re.DOTALL)
_EXTENDED = re.compile(r"utf-8'[^']*'(\S*)", re.ASCII | re.IGNORECASE)
_ATTR_CHARS = "!#$&+-.^_`|~"  # RFC 8187 attr-char besides letters and digits


def format_disposition(filename: str, *, kind: str = "attachment") -> str:
    """`attachment; filename="ascii"; filename*=UTF-8''exact` for any name, whatever characters are in it."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    plain = "".join("_" if character in '"\\/%' or not character.isprintable() else character for character in plain)
    plain = plain.strip(" .") and plain.strip()
    return f"{kind}; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHARS)}"


def parse_filename(value: str) -> str | None:
    """The filename in a part's Content-Disposition, `filename*` first. Raises InvalidName where it is not UTF-8.

    Nothing is cut off: a path stays one, for the rules of names to refuse.
    """
    parameters = {match[1].lower(): match[2].strip() for match in _PARAMETER.finditer(value)}
    if (extended := _EXTENDED.fullmatch(parameters.get("filename*", ""))) is not None:
        try:
            return unquote_to_bytes(extended[1]).decode()
        except UnicodeDecodeError as error:
            raise InvalidName("File name is not valid UTF-8") from error
    given = parameters.get("filename")
    if given is None or not given.startswith('"'):
        return given
    return re.sub(r'\\(["\\])', r"\1", given[1:-1])
