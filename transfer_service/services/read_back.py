"""Stored bytes from a remote store, once more: several requests at once, in order, in bounded memory."""

from collections import deque
from collections.abc import Generator
from contextlib import ExitStack, closing
from functools import partial
from itertools import cycle

from transfer_service.errors import BlobMissing
from transfer_service.services.steps import Aside
from transfer_service.storage.blobs import BlobStore, Key
from transfer_service.wire.ranges import Span

BLOCK_BYTES = 2 * 1024 * 1024
AT_ONCE = 4
"""Requests on their way. A reader may keep its last block beside the next one: 2 * AT_ONCE * BLOCK_BYTES in all."""


def read_back(store: BlobStore, key: Key, span: Span) -> Generator[bytes, None, None]:
    """The bytes of a span in blocks, the next ones on their way meanwhile. Raises BlobMissing, ReadFailed.

    Requests wait on threads of their own, greenlets where gevent serves: none in the pool.
    """
    with ExitStack() as opened:
        ongoing: deque[tuple[Aside[bytes], int]] = deque()
        readers = [opened.enter_context(closing(store.open_reader(key))) for _ in range(AT_ONCE)]
        opened.callback(_wait_for, ongoing)  # before the readers are closed
        for reader, start in zip(cycle(readers), range(span.start, span.stop, BLOCK_BYTES), strict=False):
            if len(ongoing) == AT_ONCE:
                yield _next(ongoing)
            size = min(BLOCK_BYTES, span.stop - start)
            ongoing.append((Aside(partial(reader.read, start, size)), size))
        while ongoing:
            yield _next(ongoing)


def _next(ongoing: deque[tuple[Aside[bytes], int]]) -> bytes:
    block, size = ongoing.popleft()
    data = block.result()
    if len(data) < size:
        raise BlobMissing("The stored file is shorter than it should be")
    return data


def _wait_for(ongoing: deque[tuple[Aside[bytes], int]]) -> None:
    for block, _ in ongoing:
        block.wait()
