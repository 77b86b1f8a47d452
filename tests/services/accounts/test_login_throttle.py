"""Limiting how often a password may be guessed."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.redis_server import RedisServer
from transfer_service.errors import BadCredentials, TooManyAttempts
from transfer_service.services import shared_windows
from transfer_service.services.accounts.passwords import LoginThrottle

WINDOW_SECONDS = 15 * 60


@pytest.fixture
def throttle() -> LoginThrottle:
    return LoginThrottle(None)


def guess(throttle: LoginThrottle, name: str = "alice", address: str = "192.0.2.1", *, right: bool = False) -> None:
    """One sign-in, wrong unless it is right. Raises TooManyAttempts."""
    try:
        with throttle.attempt(name=name, address=address):
            if not right:
                raise BadCredentials
    except BadCredentials:
        return


def guesses(throttle: LoginThrottle, count: int, name: str = "alice", address: str = "192.0.2.1") -> int:
    """How many of `count` wrong sign-ins were let in."""
    for number in range(count):
        try:
            guess(throttle, name, address)
        except TooManyAttempts:
            return number
    return count


def test_the_eleventh_wrong_password_for_one_account_is_refused(throttle: LoginThrottle) -> None:
    assert guesses(throttle, 20) == 10
    with pytest.raises(TooManyAttempts) as refusal:
        guess(throttle, right=True)
    assert WINDOW_SECONDS - 60 <= refusal.value.retry_after_seconds <= WINDOW_SECONDS


def test_the_fifty_first_wrong_password_from_one_address_is_refused(throttle: LoginThrottle) -> None:
    assert [guesses(throttle, 9, f"name-{number}") for number in range(6)] == [9, 9, 9, 9, 9, 5]
    with pytest.raises(TooManyAttempts):
        guess(throttle, "somebody else")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param("bob", "192.0.2.1", id="another-account"),
        pytest.param("alice", "192.0.2.2", id="another-address"),
        pytest.param("alice", "2001:db8::1", id="another-protocol"),
    ],
)
def test_others_are_not_locked_out(throttle: LoginThrottle, name: str, address: str) -> None:
    guesses(throttle, 10)
    assert guesses(throttle, 20, name, address) == 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("2001:db8::1", "2001:db8::ffff:2", True, id="one-network-of-64-bits"),
        pytest.param("2001:db8:0:1::1", "2001:db8:0:2::1", False, id="two-networks"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", True, id="mapped-ipv4"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.2", False, id="two-mapped-ipv4"),
        pytest.param("fe80::1%eth0", "fe80::2", True, id="with-zone"),
        pytest.param("", "unix", False, id="no-addresses"),
    ],
)
def test_addresses_of_one_customer_count_together(throttle: LoginThrottle, one: str, other: str, same: bool) -> None:
    assert guesses(throttle, 20, address=one) == 10
    assert guesses(throttle, 20, address=other) == (0 if same else 10)


def test_right_passwords_do_not_count(throttle: LoginThrottle) -> None:
    for _ in range(60):
        guess(throttle, right=True)
    assert guesses(throttle, 20) == 10


def test_another_failure_than_a_wrong_password_does_not_count(throttle: LoginThrottle) -> None:
    for _ in range(20):
        with pytest.raises(ZeroDivisionError), throttle.attempt(name="alice", address="192.0.2.1"):
            _ = 1 / 0
    assert guesses(throttle, 20) == 10


def test_the_window_moves_on(throttle: LoginThrottle, monkeypatch: pytest.MonkeyPatch) -> None:
    began, shift = time.time(), [0.0]
    monkeypatch.setattr(time, "time", lambda: began + shift[0])
    assert guesses(throttle, 5) == 5
    shift[0] = WINDOW_SECONDS / 2
    assert guesses(throttle, 10) == 5
    shift[0] = WINDOW_SECONDS + 1
    assert guesses(throttle, 10) == 5
    shift[0] = 3 * WINDOW_SECONDS
    assert guesses(throttle, 20) == 10


def test_guesses_at_once_cannot_slip_through_together(throttle: LoginThrottle) -> None:
    let_in: list[int] = []
    everybody = threading.Barrier(30)

    def try_it() -> None:
        everybody.wait()
        let_in.append(guesses(throttle, 1))

    threads = [threading.Thread(target=try_it) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(let_in) == 10
    assert guesses(throttle, 1) == 0


def test_right_sign_ins_at_once_all_get_in(throttle: LoginThrottle) -> None:
    let_in: list[bool] = []
    inside = threading.Barrier(5)

    def try_it() -> None:
        with throttle.attempt(name="alice", address="192.0.2.1"):
            inside.wait(20)
        let_in.append(True)

    threads = [threading.Thread(target=try_it) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_in) == 20


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["Zo\u00e9", "Zoe\u0301"], id="unicode-forms"),
        pytest.param(["alice", " alice", "alice  ", "\u00a0alice"], id="spaces-around"),
        pytest.param(["al ice", "al  ice"], id="spaces-within"),
        pytest.param(["a/b", "", "..", "x" * 300], id="names-that-nobody-can-have"),
    ],
)
def test_every_way_of_writing_a_name_counts_to_one_limit(throttle: LoginThrottle, names: list[str]) -> None:
    assert sum(guesses(throttle, 1, names[number % len(names)]) for number in range(20)) == 10


@contextmanager
def silent_server() -> Iterator[str]:
    """A Redis that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_without_a_redis_that_listens_an_instance_counts_alone_at_once() -> None:
    throttle, began = LoginThrottle(f"redis://127.0.0.1:{free_port()}/0"), time.monotonic()
    assert (guesses(throttle, 20), guesses(throttle, 20, "bob")) == (10, 10)
    assert time.monotonic() - began < 10 * shared_windows.ANSWER_SECONDS  # forty that wait take four times as long


@pytest.mark.alone
def test_a_redis_that_hangs_is_waited_for_once() -> None:
    with silent_server() as url:
        throttle, began = LoginThrottle(url), time.monotonic()
        assert (guesses(throttle, 20), guesses(throttle, 20, "bob")) == (10, 10)
        assert time.monotonic() - began < 2 * shared_windows.ANSWER_SECONDS


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that does not run yet."""
    server = RedisServer(tmp_path)
    yield server
    server.stop()


def test_instances_count_together_as_soon_as_their_redis_is_there(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_windows, "BACK_OFF_SECONDS", 0.0)
    one, other = LoginThrottle(redis_server.url), LoginThrottle(redis_server.url)
    assert guesses(one, 4) == 4  # nobody else hears of these
    redis_server.start()
    assert (guesses(one, 3), guesses(other, 20), guesses(one, 20)) == (3, 7, 0)


def test_what_an_instance_has_counted_holds_when_its_redis_goes(redis_server: RedisServer) -> None:
    redis_server.start()
    throttle = LoginThrottle(redis_server.url)
    assert guesses(throttle, 6) == 6
    redis_server.stop()
    assert guesses(throttle, 20) == 4
