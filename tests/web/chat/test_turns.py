"""Events of conversations that arrive out of their order."""

import time
from collections.abc import Callable

import pytest

from transfer_service.web.chat import turns
from transfer_service.web.chat.turns import Turns

SOON_SECONDS = 5.0


class Heard:
    """What was delivered, and a short way to say what arrives: 3 is message 3, "3 edited" comes after it."""

    def __init__(self) -> None:
        self.events: list[int | str] = []
        self._turns: Turns[int | str] = Turns(self._deliver)

    def _deliver(self, event: int | str) -> None:
        if event == "3 broken":
            raise ConnectionError("nobody delivers")
        self.events.append(event)

    def arrives(self, *events: int | str, conversation: str = "c") -> list[int | str]:
        """All that was delivered when these have arrived."""
        for event in events:
            number = event if isinstance(event, int) else int(event.split()[0])
            self._turns.take(conversation, event, number=number, is_message=isinstance(event, int))
        return list(self.events)

    def are(self, *events: int | str) -> Callable[[], bool]:
        """Whether these were delivered."""
        return lambda: self.events == list(events)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    """An instance that has heard the first message, and knows what it waits for."""
    monkeypatch.setattr(turns, "GAP_SECONDS", 60.0)
    heard = Heard()
    heard.arrives(1)
    return heard


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON_SECONDS
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("arriving", "delivered"),
    [
        pytest.param([2, 3], [1, 2, 3], id="in-order"),
        pytest.param([3], [1], id="waiting"),
        pytest.param([4, 3, 2], [1, 2, 3, 4], id="backwards"),
        pytest.param([2, "2 edited", 3], [1, 2, "2 edited", 3], id="with-a-change"),
        pytest.param(["2 edited", 3, 2], [1, 2, "2 edited", 3], id="a-change-before-its-message"),
        pytest.param([3, "2 read", 2], [1, 2, "2 read", 3], id="read-before-the-next"),
        pytest.param([2, "1 edited"], [1, 2, "1 edited"], id="a-change-of-an-older-one"),
        pytest.param([2, "3 broken", 3, 4], [1, 2, 3, 4], id="one-that-nobody-delivers"),
    ],
)
def test_events_are_delivered_in_their_order(
    heard: Heard, arriving: list[int | str], delivered: list[int | str]
) -> None:
    assert heard.arrives(*arriving) == delivered


def test_what_is_lost_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    monkeypatch.setattr(turns, "GAP_SECONDS", 0.05)
    heard.arrives(4, 3, 7)
    _until(heard.are(1, 3, 4, 7))
    assert heard.arrives(8, 2) == [1, 3, 4, 7, 8, 2]  # late is better than never


def test_the_first_that_is_heard_of_a_conversation_waits_for_a_moment(heard: Heard) -> None:
    heard.arrives(12, 11, conversation="other")
    assert heard.events == [1]
    _until(heard.are(1, 11, 12))
    assert heard.arrives(13, conversation="other") == [1, 11, 12, 13]


def test_conversations_do_not_wait_for_each_other(heard: Heard) -> None:
    heard.arrives(3)
    assert heard.arrives(1, 2, conversation="other") == [1, 1, 2]
