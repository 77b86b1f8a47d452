"""Formatting server-sent events, read back as a browser reads them (WHATWG HTML section 9.2.6)."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.sse import HEARTBEAT, format_event

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
OBJECTS = st.dictionaries(st.text(), VALUES | st.lists(VALUES, max_size=3))
IDS = st.none() | st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
EVENTS = st.lists(st.tuples(OBJECTS, IDS, st.none() | st.integers(min_value=0)), max_size=4)


@dataclass
class Message:
    """What a page would get: the data, and the stream's last id and reconnection time at that moment."""

    data: Any
    last_id: str
    retry: int | None


def parse(stream: bytes) -> list[Message]:
    """The messages of a stream."""
    messages: list[Message] = []
    data: list[str] = []
    last_id, retry = "", None
    for line in re.split("\r\n|\r|\n", stream.decode("utf-8-sig")):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                messages.append(Message(json.loads("\n".join(data)), last_id, retry))
            data = []
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            retry = int(value)
    return messages


@given(events=EVENTS)
def test_what_was_formatted_is_read_back(events: list[tuple[dict[str, Any], str | None, int | None]]) -> None:
    stream = b"".join(format_event(data, event_id=each, retry_milliseconds=retry) for data, each, retry in events)
    expected: list[Message] = []
    last_id, latest = "", None
    for data, event_id, retry in events:
        last_id = last_id if event_id is None else event_id
        latest = latest if retry is None else retry
        expected.append(Message(data, last_id, latest))
    assert parse(stream) == expected


def test_the_bytes_of_an_event() -> None:
    data = {"status": "error", "error": "no\nway \u2028"}
    event = format_event(data, event_id="17-error", retry_milliseconds=2000)
    assert event == b'retry: 2000\nid: 17-error\ndata: {"status":"error","error":"no\\nway \\u2028"}\n\n'


def test_an_event_needs_neither_id_nor_time() -> None:
    assert format_event({}) == b"data: {}\n\n"


def test_a_heartbeat_is_no_message_and_keeps_the_next_one_whole() -> None:
    assert parse(HEARTBEAT + format_event({"a": 1}) + HEARTBEAT) == [Message({"a": 1}, "", None)]


@pytest.mark.parametrize("event_id", ["1\n2", "1\r", "\0", "\r\ndata: {}"])
def test_an_id_that_would_break_the_stream_is_refused(event_id: str) -> None:
    with pytest.raises(ValueError, match="no line break"):
        format_event({}, event_id=event_id)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        format_event({"progress": number})
