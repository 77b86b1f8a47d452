"""Content-Disposition (RFC 6266)."""

import unicodedata
from urllib.parse import quote

_ATTR_CHARS = "!#$&+-.^_`|~"  # RFC 8187 attr-char besides letters and digits


def format_disposition(filename: str, *, kind: str = "attachment") -> str:
    """`attachment; filename="ascii"; filename*=UTF-8''exact` for any name, whatever characters are in it."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    plain = "".join("_" if character in '"\\%' or not character.isprintable() else character for character in plain)
    return f"{kind}; filename=\"{plain.strip() or 'file'}\"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHARS)}"
