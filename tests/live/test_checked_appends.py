"""Appends with a checksum, of which nothing counts until their end: others are not kept waiting by them."""

import time
from collections.abc import Iterator

import pytest

from tests.live.appends import DATA, Pair, Protocol, running_pair
from tests.live.server import wait_until
from tests.live.test_takeover import BIG, LIMIT_SECONDS, Flow, protocols


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_pair(tmp_path_factory.mktemp("pair") / "data") as pair:
        yield pair


@protocols
def test_an_upload_that_is_cancelled_while_a_checked_append_receives_ends_soon(pair: Pair, protocol: Protocol) -> None:
    first, second = pair.doors(protocol)
    path = first.create(len(BIG))
    promise = protocol.promise(DATA)
    with first.appending(path, 0, promise, length=len(BIG)) as append, Flow(append):
        wait_until(lambda: append.sent > 256 * 1024)
        started_at = time.monotonic()
        assert second.delete(path).status_code == 204
        assert append.client.receive().status == protocol.busy_status
        assert time.monotonic() - started_at < LIMIT_SECONDS
    assert second.look(path).status_code == protocol.gone_status
