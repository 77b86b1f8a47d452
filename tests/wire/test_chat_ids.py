"""Making and parsing ids of conversations and messages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.errors import InvalidRequest
from transfer_service.wire.chat import new_chat_id, parse_chat_id

INSTANTS = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(now=INSTANTS)
def test_a_new_id_is_an_id_that_begins_with_its_second(now: datetime) -> None:
    made = new_chat_id(now)
    assert parse_chat_id(made) == made
    assert int(made[:8], 16) == int(now.timestamp())


@given(now=INSTANTS, seconds=st.integers(1, 10**8))
def test_a_later_id_sorts_later(now: datetime, seconds: int) -> None:
    assert new_chat_id(now) < new_chat_id(now + timedelta(seconds=seconds))


def test_ids_of_one_instant_differ() -> None:
    now = datetime.now(UTC)
    assert len({new_chat_id(now) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("0" * 23, id="short"),
        pytest.param("0" * 25, id="long"),
        pytest.param("A" * 24, id="capitals"),
        pytest.param("g" * 24, id="not-hexadecimal"),
        pytest.param("0" * 24 + "\n", id="line-end"),
        pytest.param("\u0660" * 24, id="other-digits"),
        pytest.param("\udcff" * 24, id="surrogates"),
        pytest.param(0, id="number"),
        pytest.param(None, id="none"),
        pytest.param(["0" * 24], id="list"),
        pytest.param(b"0" * 24, id="bytes"),
    ],
)
def test_anything_else_is_refused_in_the_callers_words(value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_chat_id(value, detail="Invalid conversation id")
    assert caught.value.detail == "Invalid conversation id"
