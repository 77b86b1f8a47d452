"""Counting downloads of links: exact, also where many clients ask at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.services.conftest import Bench
from tests.services.sharing.bench import Links
from transfer_service.errors import LinkGone
from transfer_service.services.sharing.link_downloads import Granted, LinkDownloads, Subject
from transfer_service.services.sharing.link_rows import LinkRecord

SIZE = 1000


class Counted:
    """A link with a limit, and what its clients are granted of one file."""

    def __init__(self, bench: Bench, max_downloads: int | None = 1) -> None:
        self.links = Links(bench)
        self.file = bench.store(b"x" * SIZE)
        self.link: LinkRecord = self.links.to(self.file.id, max_downloads=max_downloads)

    @property
    def service(self) -> LinkDownloads:
        return self.links.downloads

    def ask(self, size: int = SIZE, *, client: str = "one", is_range: bool = False) -> Granted:
        """Begin to send. Raises LinkGone."""
        return self.service.begin(Subject(self.link, client, self.file.id, SIZE), size, is_range=is_range)

    def count(self) -> int:
        """How many downloads have begun."""
        return self.links.again(self.link).downloads


def test_a_range_goes_on_with_a_download_until_twice_its_size_was_sent(any_bench: Bench) -> None:
    counted = Counted(any_bench)
    for _ in range(20):
        counted.ask(100, is_range=True)
    assert counted.count() == 1
    with pytest.raises(LinkGone):
        counted.ask(1, is_range=True)


def test_whatever_is_no_range_begins_another_download(any_bench: Bench) -> None:
    counted = Counted(any_bench, max_downloads=2)
    counted.ask()
    counted.ask(400, is_range=True)
    assert counted.count() == 1
    counted.ask()
    assert counted.count() == 2
    with pytest.raises(LinkGone):
        counted.ask()
    counted.ask(600, is_range=True)
    counted.ask(1000, is_range=True)
    with pytest.raises(LinkGone):
        counted.ask(1, is_range=True)


def test_a_range_of_another_client_or_another_thing_begins_its_own(bench: Bench) -> None:
    counted = Counted(bench, max_downloads=3)
    counted.ask(10, is_range=True)
    counted.ask(10, client="two", is_range=True)
    counted.service.begin(Subject(counted.link, "one", counted.link.id, 5000), 10, is_range=True)
    assert counted.count() == 3
    with pytest.raises(LinkGone):
        counted.ask(10, client="three", is_range=True)
    counted.ask(10, client="two", is_range=True)


def test_what_was_not_sent_can_be_asked_for_again(any_bench: Bench) -> None:
    counted = Counted(any_bench)
    for _ in range(10):
        counted.service.end(counted.ask(SIZE, is_range=True), 100)
    assert counted.count() == 1
    counted.service.end(counted.ask(SIZE, is_range=True), SIZE)
    with pytest.raises(LinkGone):
        counted.ask(1, is_range=True)


def test_a_download_of_which_nothing_was_sent_is_none(any_bench: Bench) -> None:
    counted = Counted(any_bench)
    counted.service.end(counted.ask(), 0)
    assert counted.count() == 0
    whole = counted.ask()
    counted.ask(SIZE, is_range=True)
    counted.service.end(whole, 0)  # by now the range is what it stands for
    assert counted.count() == 1
    with pytest.raises(LinkGone):
        counted.ask(client="two")
    counted.ask(SIZE, is_range=True)


def test_nothing_begins_on_a_link_that_has_ended(bench: Bench) -> None:
    counted = Counted(bench, max_downloads=None)
    counted.ask(10, is_range=True)
    bench.clock.advance(days=8)
    with pytest.raises(LinkGone):
        counted.ask()
    counted.links.service.revoke(bench.account_id, counted.link.id)
    with pytest.raises(LinkGone):
        counted.ask(10, is_range=True)


def test_an_empty_file_counts_each_time(bench: Bench) -> None:
    links, file = Links(bench), bench.store(b"")
    link = links.to(file.id, max_downloads=2)
    for _ in range(2):
        links.downloads.end(links.downloads.begin(Subject(link, "one", file.id, 0), 0, is_range=False), 0)
    with pytest.raises(LinkGone):
        links.downloads.begin(Subject(link, "one", file.id, 0), 0, is_range=False)


def test_a_client_may_go_on_with_what_it_has_begun(bench: Bench) -> None:
    counted = Counted(bench)
    assert not counted.service.is_under_way(counted.link, "one", counted.file.id)
    counted.ask()
    assert counted.service.is_under_way(counted.link, "one", counted.file.id)
    assert not counted.service.is_under_way(counted.link, "two", counted.file.id)
    counted.ask(is_range=True)
    assert not counted.service.is_under_way(counted.link, "one", counted.file.id)


def test_a_hundred_clients_with_parallel_ranges_get_ten_downloads(any_bench: Bench) -> None:
    counted, quarter = Counted(any_bench, max_downloads=10), SIZE // 4
    gate = threading.Barrier(16)

    def asks() -> Iterator[str]:
        for _ in range(4):
            yield from (f"client {number}" for number in range(100))

    def ask(client: str) -> tuple[str, int]:
        if not gate.broken:
            gate.wait()
        try:
            granted = counted.ask(quarter, client=client, is_range=True)
        except LinkGone:
            return client, 0
        counted.service.end(granted, quarter)
        return client, quarter

    with ThreadPoolExecutor(16) as pool:
        first = list(pool.map(ask, (f"client {number % 4}" for number in range(16))))
        gate.abort()
        answers = first + list(pool.map(ask, asks()))
    sent = {client: sum(size for each, size in answers if each == client) for client, _ in answers}
    served = [size for size in sent.values() if size]
    assert len(served) == counted.count() == 10
    assert all(SIZE <= size <= 2 * SIZE for size in served)
