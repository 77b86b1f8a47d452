"""JSON objects that clients send."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.errors import InvalidRequest
from transfer_service.wire.json_text import parse_object

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), values))
def test_every_object_is_read(value: dict[str, Any]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'"{}"', id="text"),
        pytest.param(b"{", id="half"),
        pytest.param(b"{}{}", id="two"),
        pytest.param(b'{"a": NaN}', id="not-a-number"),
        pytest.param(b'{"a": -Infinity}', id="infinity"),
        pytest.param(b'{"a": "\xff"}', id="not-utf-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="utf-16"),
        pytest.param(b'{"a":' * 8000, id="nested-objects"),
        pytest.param(b'{"a":' + b"[" * 8000 + b"]" * 8000 + b"}", id="nested-arrays"),
        pytest.param(b'{"a":' + b"9" * 10_000 + b"}", id="endless-number"),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Expected a JSON object"):
        parse_object(data)


@given(st.binary(max_size=100))
def test_nothing_else_is_raised(data: bytes) -> None:
    try:
        assert isinstance(parse_object(data), dict)
    except InvalidRequest:
        return
