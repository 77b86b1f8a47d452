"""The model of what may be stored: it sees each kind of loss that it is there for."""

import pytest

from tests.growing.model import Content, Fault

LENGTH = 1000


@pytest.fixture
def content() -> Content:
    return Content(LENGTH, seed=1)


def test_acknowledged_bytes_are_what_they_must_be(content: Content) -> None:
    first, data = content.attempt(0, 400)
    content.acknowledged(first, 400)
    second, more = content.attempt(400, 600)
    content.acknowledged(second, LENGTH)
    content.check(0, data + more)
    content.check(350, (data + more)[350:500])


def test_an_offset_never_goes_back(content: Content) -> None:
    content.acknowledged(content.attempt(0, 400)[0], 400)
    with pytest.raises(Fault, match="went back from 400 to 399"):
        content.told(399)


def test_what_nobody_sent_is_not_stored(content: Content) -> None:
    content.attempt(0, 400)
    content.told(100)
    with pytest.raises(Fault, match="the offset is 101"):
        content.told(101)  # by a request that had begun before the look


def test_what_was_sent_from_the_offset_may_come_late(content: Content) -> None:
    late, data = content.attempt(0, 400)
    content.told(0)
    content.told(250)
    content.check(0, data[:250])
    assert not late.is_answered


def test_bytes_of_a_request_that_had_lost_are_seen_over_those_that_were_acknowledged(content: Content) -> None:
    _, lost = content.attempt(0, 400)
    winner, data = content.attempt(0, 400)
    content.acknowledged(winner, 400)
    content.check(0, data)
    with pytest.raises(Fault, match=r"byte 300 is of try 1, not of \[2\]"):
        content.check(0, data[:300] + lost[300:])


def test_bytes_of_two_requests_are_never_mixed(content: Content) -> None:
    data = [content.attempt(0, 400)[1] for _ in range(2)]
    content.told(400)
    content.check(0, data[0])
    content.check(0, data[1])
    with pytest.raises(Fault, match="byte 200"):
        content.check(0, data[0][:200] + data[1][200:])


def test_bytes_at_a_wrong_place_are_seen(content: Content) -> None:
    made, data = content.attempt(0, LENGTH)
    content.acknowledged(made, LENGTH)
    with pytest.raises(Fault):
        content.check(0, data[1:] + data[:1])


def test_an_append_is_taken_at_the_offset_only(content: Content) -> None:
    content.acknowledged(content.attempt(0, 400)[0], 400)
    with pytest.raises(Fault, match="bytes at 300 were taken where 400 were stored"):
        content.acknowledged(content.attempt(300, 100)[0], 400)
