"""Lines of a table, read again by Python's reader, and what a spreadsheet would make of a cell."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.spreadsheets import format_lines, harmless


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(data.decode(), newline=""), strict=True))


@given(rows=st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1)))
def test_what_is_written_is_read_again_but_for_formulas(rows: list[list[str]]) -> None:
    written = format_lines(rows)
    assert read(written) == [[harmless(cell) for cell in row] for row in rows]
    assert not written or written.endswith(b"\r\n")


@pytest.mark.parametrize("beginning", [*"=+-@\t\r\n", "\uff1d", "\uff20"])
def test_no_cell_begins_like_a_formula(beginning: str) -> None:
    cell = f"{beginning}cmd|' /C calc'!A0"
    assert read(format_lines([[cell]])) == [[f"'{cell}"]]


def test_what_no_text_is_made_of_breaks_nothing() -> None:
    assert format_lines([["a\ud800b"]]) == b"a?b\r\n"


def test_lines_are_those_of_rfc_4180() -> None:
    assert format_lines([["a", 'b"c', "d,e", None, 7], ["f\r\ng"]]) == b'a,"b""c","d,e",,7\r\n"f\r\ng"\r\n'
