"""JSON that a client sent."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.errors import InvalidRequest
from transfer_service.wire.json_text import MAX_STRUCTURE_BYTES, parse_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=10,
)


@given(fields=st.dictionaries(st.text(max_size=5), VALUES, max_size=5), ascii_only=st.booleans())
def test_every_object_is_read_as_it_was_written(fields: dict[str, Any], ascii_only: bool) -> None:
    assert parse_object(json.dumps(fields, ensure_ascii=ascii_only, indent=1).encode()) == fields


@pytest.mark.parametrize("character", ['"', "\\", "\n", "é", "👋", "["])
def test_the_longest_text_of_a_message_comes_through(character: str) -> None:
    fields = {"content": character * 65_536}
    assert parse_object(json.dumps(fields).encode()) == fields


def test_a_thousand_names_come_through() -> None:
    fields = {"group_name": "all", "participants": [f"somebody {number}" for number in range(1000)]}
    assert parse_object(json.dumps(fields, indent=8).encode()) == fields


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"a": NaN}', id="no-number"),
        pytest.param(b'{"a": "\xff"}', id="not-utf-8"),
        pytest.param(b'{"a": "b}', id="no-end"),
        pytest.param(b'{"a":' + b"[" * 8000 + b"]" * 8000 + b"}", id="deep"),
        pytest.param(b'{"a":[' + b"[]," * (MAX_STRUCTURE_BYTES // 3) + b"[]]}", id="many-lists"),
        pytest.param(b'{"a":[' + b'"",' * (MAX_STRUCTURE_BYTES // 2) + b'""]}', id="many-strings"),
        pytest.param(b'{"a":"' + b'\\"' * 200_000 + b'"}', id="many-quotes"),
        pytest.param(b'{"a":"' + b"\\n" * 200_000 + b'"}', id="many-escapes"),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Expected a JSON object"):
        parse_object(data)
