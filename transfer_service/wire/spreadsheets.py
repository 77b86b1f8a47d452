"""Lines of a table for programs and spreadsheets (RFC 4180), without formulas."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
_BEGIN_FORMULAS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""With these, in their wide forms too, a cell begins that a spreadsheet would compute (OWASP, CSV injection)."""


def harmless(cell: str) -> str:
    """A cell that is text to every spreadsheet: an apostrophe stands before what would be taken for a formula."""
    return f"'{cell}" if cell[:1] in _BEGIN_FORMULAS and cell else cell


def format_lines(rows: Iterable[Sequence[str | int | None]]) -> bytes:
    """Rows as lines in UTF-8, each with CRLF behind it; None is an empty cell, half of a surrogate pair a `?`."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue().encode("utf-8", "replace")
