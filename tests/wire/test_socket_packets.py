"""Reading packets of Socket.IO, and refusing what would cost more than it is worth."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.socket_packets import (
    ACK,
    BINARY_EVENT,
    CONNECT,
    DISCONNECT,
    EVENT,
    LONG_CHARACTERS,
    MAX_STRUCTURE_CHARACTERS,
    LongText,
    SocketPacket,
    parse_packet,
)

MIB = 1024 * 1024
LONGEST_TEXT = 65_536
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=10,
)


def parse(text: str) -> SocketPacket:
    """The packet of a message of Engine.IO."""
    return parse_packet("4" + text)


def wire(text: str) -> str:
    """A text as it comes in: a character for each byte."""
    return text.encode().decode("latin-1")


def event(data: Any, *, ascii_only: bool = True) -> str:
    """The wire text of an event."""
    return wire("2" + json.dumps(["send_message", data], ensure_ascii=ascii_only))


def with_file(encoded: str) -> str:
    """The wire text of an event whose file is `encoded`, in JSON already."""
    return f'2["send_message",{{"content":"see","file_data":"{encoded}","file_name":"a"}}]'


def file_of(packet: SocketPacket) -> str:
    """All of the long string that came as the file."""
    text = packet.data[1]["file_data"]
    assert isinstance(text, LongText)
    return "".join(text.pieces(1000))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("0", SocketPacket(CONNECT, None, None, 0, None), id="connect"),
        pytest.param('0{"token":"x"}', SocketPacket(CONNECT, None, None, 0, {"token": "x"}), id="connect-with-a-token"),
        pytest.param("0/chat?a=1,{}", SocketPacket(CONNECT, "/chat", None, 0, {}), id="connect-elsewhere"),
        pytest.param("0/chat", SocketPacket(CONNECT, "/chat", None, 0, None), id="connect-elsewhere-with-nothing"),
        pytest.param("1", SocketPacket(DISCONNECT, None, None, 0, None), id="disconnect"),
        pytest.param('2["typing"]', SocketPacket(EVENT, None, None, 0, ["typing"]), id="event"),
        pytest.param('217["a",1]', SocketPacket(EVENT, None, 17, 0, ["a", 1]), id="event-with-a-number"),
        pytest.param('2/x,3["a"]', SocketPacket(EVENT, "/x", 3, 0, ["a"]), id="event-elsewhere"),
        pytest.param("37[[[[", SocketPacket(ACK, None, 7, 0, []), id="an-answer-is-not-read"),
        pytest.param('52-8["a"]', SocketPacket(BINARY_EVENT, None, 8, 2, ["a"]), id="binary-event"),
    ],
)
def test_what_clients_send(text: str, expected: SocketPacket) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "7", "4{}", "9[]", "\x002", "2", "2{}", '2"x"', "2[]", "2[1]", "2[null]", '2[["a"]]', "2null", '2["a"',
        '2["a"]x', '2abc["a"]', "0[]", '0"x"', '02-{"a":1}', '2-1["a"]', '21-["a"]', '5["a"]', '50-["a"]',
        '511-["a"]', '5999-["a"]', "5-", '2/x["a"]', "0/" + "n" * 300, "2" + "9" * 19 + '["a"]', '2["\\"]', '2["a","]',
        '2["\xff"]', '2["\n"]', "2[\\\"a\"]",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_no_client_sends_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@given(data=JSON, ascii_only=st.booleans())
def test_every_small_event_is_read_as_json_is(data: Any, ascii_only: bool) -> None:
    assert parse(event(data, ascii_only=ascii_only)).data == ["send_message", data]


@pytest.mark.parametrize("character", ['"', "\\", "\n", "x", "é", "👋", "[", ","])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_the_longest_text_of_a_message_comes_through(character: str, ascii_only: bool) -> None:
    content = character * LONGEST_TEXT
    assert parse(event({"content": content}, ascii_only=ascii_only)).data[1] == {"content": content}


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("[" + "[]," * MIB + "[]]", id="lists"),
        pytest.param("{" + '"":{},' * MIB + '"":{}}', id="objects"),
        pytest.param("[" + "1," * MIB + "1]", id="numbers"),
        pytest.param("9" * MIB, id="a-number"),
        pytest.param("[" + '"",' * MIB + '""]', id="strings"),
        pytest.param('"' * MIB, id="quotes"),
        pytest.param(" " * MIB + "1", id="blanks"),
        pytest.param("[" * (MAX_STRUCTURE_CHARACTERS + 1), id="depth"),
        pytest.param('"' + '\\"' * MIB + '"', id="escaped-quotes"),
        pytest.param('"' + "\\n" * (LONG_CHARACTERS // 2 - 10) + '"', id="escapes"),
        pytest.param('"' + "\\" * (8 * MIB) + '"', id="backslashes"),
        pytest.param(
            "[" + ",".join(['"' + "x" * (MIB - 100) + '"'] * 3) + "]", id="three-strings-of-nearly-a-mebibyte"
        ),
    ],
)
def test_what_would_cost_much_is_refused_before_it_is_parsed(hostile: str) -> None:
    with pytest.raises(ValueError, match=r"too m"):
        parse(f'2["send_message",{{"x":{hostile}}}]')


def test_depth_ends_in_a_refusal() -> None:
    with pytest.raises(RecursionError):
        parse('2["a",' + "[" * (MAX_STRUCTURE_CHARACTERS - 100))


@pytest.mark.parametrize("filler", ["A", "+/", "\\/", "A\\n", "\\u003d", "AAA\\r\\n", "A\\u002b"])
def test_a_long_file_is_cut_out_and_read_in_pieces(filler: str) -> None:
    encoded = filler * (3 * MIB // len(filler))
    packet = parse(with_file(encoded))
    assert file_of(packet) == json.loads(f'"{encoded}"')
    assert {name: value for name, value in packet.data[1].items() if name != "file_data"} == {
        "content": "see",
        "file_name": "a",
    }


def test_a_short_file_stays_a_string() -> None:
    assert parse(with_file("A" * 1000)).data[1]["file_data"] == "A" * 1000


def test_a_long_text_elsewhere_is_no_string() -> None:
    data = parse(f'2["send_message",{{"content":"{"x" * 2 * MIB}","a":["{"y" * 2 * MIB}"]}}]').data[1]
    assert isinstance(data["content"], LongText)
    assert len(data["a"][0]) < 100  # nobody reads it


def test_an_escape_that_no_json_has_is_told_when_it_is_read() -> None:
    packet = parse(with_file("A" * MIB + "\\x" + "A" * 10))
    with pytest.raises(ValueError, match=r"escape"):
        file_of(packet)
