"""Opening links by their passwords, at several instances at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redis_server import RedisServer
from tests.services.conftest import Bench
from tests.services.sharing.bench import SECRET, Links
from transfer_service.errors import TooManyGuesses, WrongLinkPassword
from transfer_service.services.accounts.passwords import Passwords
from transfer_service.services.sharing.link_access import LinkAccess
from transfer_service.services.sharing.link_rows import LinkRecord
from transfer_service.services.sharing.link_tokens import LinkTokens
from transfer_service.threads import offload

RIGHT, WRONG = "open sesame", "open barley"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


def access(redis_url: str | None = None) -> LinkAccess:
    """That of one instance."""
    return LinkAccess(redis_url, passwords=Passwords(offload=offload), tokens=LinkTokens([SECRET]))


def guesses(one: LinkAccess, link: LinkRecord, count: int) -> int:
    """How many of so many wrong passwords are looked at."""
    looked_at = 0
    for _ in range(count):
        try:
            one.unlock(link, WRONG, address="192.0.2.1")
        except WrongLinkPassword:
            looked_at += 1
        except TooManyGuesses as error:
            assert 0 < error.retry_after_seconds <= 15 * 60
    return looked_at


def test_instances_count_wrong_passwords_together(bench: Bench, redis: RedisServer) -> None:
    link = Links(bench).to(bench.store(b"bytes").id, password=RIGHT)
    one, other = access(redis.url), access(redis.url)
    assert (guesses(one, link, 6), guesses(other, link, 6), guesses(one, link, 1)) == (6, 4, 0)
    with pytest.raises(TooManyGuesses):
        other.unlock(link, RIGHT, address="192.0.2.1")
    assert one.unlock(link, RIGHT, address="192.0.2.2")


def test_the_cookie_of_one_instance_counts_at_another(bench: Bench) -> None:
    links = Links(bench)
    link = links.to(bench.store(b"bytes").id, password=RIGHT)
    cookies = [access().unlock(link, RIGHT, address="192.0.2.1") for _ in range(2)]
    clients = {access().client_of_cookie(link, cookie) for cookie in cookies}
    assert len(clients) == 2
    assert None not in clients
    assert access().client_of_cookie(links.to(bench.store(b"b", "b").id, password=RIGHT), cookies[0]) is None


def test_who_has_no_cookie_is_his_address_at_one_link(bench: Bench) -> None:
    links, file = Links(bench), bench.store(b"bytes")
    link, other = links.to(file.id), links.to(file.id)
    one = access()
    assert one.client_of_address(link, "192.0.2.1") == one.client_of_address(link, "192.0.2.1")
    assert len({one.client_of_address(each, address) for each in (link, other) for address in ("::1", "::2")}) == 4
