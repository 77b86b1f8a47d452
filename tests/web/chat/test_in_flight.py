"""How much of messages an account may have in memory."""

import uuid

from transfer_service.web.chat.bounds import InFlight

ALICE, BOB = uuid.uuid4(), uuid.uuid4()


def test_the_messages_of_an_account_count_together() -> None:
    in_flight = InFlight(100)
    first, second = in_flight.begin(ALICE), in_flight.begin(ALICE)
    assert [first.add(60), second.add(40), second.add(1)] == [True, True, False]
    assert in_flight.begin(BOB).add(100)


def test_what_is_gone_makes_room() -> None:
    in_flight = InFlight(100)
    first, second = in_flight.begin(ALICE), in_flight.begin(ALICE)
    first.add(100)
    for _ in range(2):  # twice is once
        first.release()
    assert [second.add(100), first.add(1)] == [True, False]


def test_what_was_refused_holds_nothing() -> None:
    in_flight = InFlight(100)
    first, second = in_flight.begin(ALICE), in_flight.begin(ALICE)
    first.add(101)
    first.release()
    assert second.add(100)


def test_strangers_are_not_counted() -> None:
    held = InFlight(100).begin(None)
    assert [held.add(100), held.add(100)] == [True, True]
