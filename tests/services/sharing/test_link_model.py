"""What is counted of a link, held to a model: whatever clients ask for, and however much of it is sent in the end."""

import random
from dataclasses import dataclass, field

import pytest

from tests.services.conftest import Bench
from tests.services.sharing.bench import Links
from transfer_service.errors import LinkGone
from transfer_service.services.sharing.link_downloads import Granted, Subject

SIZE, LIMIT, STEPS = 100, 3, 120
CLIENTS = ["one", "two", "three", "four", "five"]


@dataclass
class Share:
    """What a client has begun and had, by the words of the contract; `taken` is what it has had and is getting."""

    begun: int = 0
    taken: int = 0
    had: int = 0


@dataclass
class Model:
    """All of one link."""

    shares: dict[str, Share] = field(default_factory=lambda: {client: Share() for client in CLIENTS})

    @property
    def begun(self) -> int:
        return sum(share.begun for share in self.shares.values())

    def ask(self, client: str, size: int, *, is_range: bool) -> bool | None:
        """Whether that begins a download; None where it is refused."""
        share = self.shares[client]
        begins = not is_range or share.taken + size > 2 * SIZE * share.begun
        if begins and self.begun == LIMIT:
            return None
        share.begun += begins
        share.taken += size
        return begins

    def end(self, client: str, size: int, sent: int, *, began: bool) -> None:
        """Of what was granted so much was sent; where that is nothing, and nobody needs it, nothing has begun."""
        share = self.shares[client]
        share.had += sent
        share.taken -= size - sent
        if began and sent == 0 and share.taken <= 2 * SIZE * (share.begun - 1):
            share.begun -= 1


@pytest.mark.parametrize("seed", range(12))
def test_every_history_is_that_of_the_model(bench: Bench, seed: int) -> None:
    chance, links, model = random.Random(seed), Links(bench), Model()
    file = bench.store(b"x" * SIZE)
    link = links.to(file.id, max_downloads=LIMIT)
    running: list[tuple[str, int, Granted]] = []
    for _ in range(STEPS):
        if running and chance.random() < 0.5:
            client, size, granted = running.pop(chance.randrange(len(running)))
            sent = chance.choice([0, 0, chance.randint(0, size), size])
            links.downloads.end(granted, sent)
            model.end(client, size, sent, began=granted.is_beginning)
        else:
            client, is_range = chance.choice(CLIENTS), chance.random() < 0.7
            size = chance.randint(1, SIZE) if is_range else SIZE
            expected = model.ask(client, size, is_range=is_range)
            try:
                granted = links.downloads.begin(Subject(link, client, file.id, SIZE), size, is_range=is_range)
            except LinkGone:
                assert expected is None
                continue
            assert granted.is_beginning is expected
            running.append((client, size, granted))
        assert links.service.get(bench.account_id, link.id).downloads == model.begun <= LIMIT
    assert model.begun == LIMIT
    assert all(share.had <= 2 * SIZE * share.begun for share in model.shares.values())
