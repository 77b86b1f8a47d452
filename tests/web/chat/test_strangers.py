"""How long, and how many, those may stay who have shown no token yet."""

import gevent

from transfer_service.web.chat.bounds import Strangers

SECONDS = 0.05


class Door:
    """Who was shown out, in order."""

    def __init__(self, *, seconds: float = SECONDS, limit: int = 10) -> None:
        self.closed: list[str] = []
        self.strangers = Strangers(self.closed.append, seconds=seconds, limit=limit)


def test_who_stays_a_stranger_is_shown_out_in_time() -> None:
    door = Door()
    for name in ("a", "b"):
        door.strangers.add(name)
    gevent.sleep(SECONDS * 3)
    assert (door.closed, len(door.strangers)) == (["a", "b"], 0)


def test_who_was_let_in_stays() -> None:
    door = Door()
    door.strangers.add("a")
    door.strangers.discard("a")
    gevent.sleep(SECONDS * 3)
    assert door.closed == []


def test_who_is_a_stranger_again_has_all_the_time_again() -> None:
    door = Door(seconds=0.2)
    door.strangers.add("a")
    gevent.sleep(0.15)
    door.strangers.add("a")
    gevent.sleep(0.15)
    assert "a" in door.strangers
    gevent.sleep(0.15)
    assert door.closed == ["a"]


def test_too_many_push_out_the_oldest() -> None:
    door = Door(seconds=60, limit=3)
    for name in "abcde":
        door.strangers.add(name)
    assert (door.closed, len(door.strangers)) == (["a", "b"], 3)


def test_a_later_one_is_looked_after_too() -> None:
    door = Door()
    door.strangers.add("a")
    gevent.sleep(SECONDS * 3)
    door.strangers.add("b")
    gevent.sleep(SECONDS * 3)
    assert door.closed == ["a", "b"]
