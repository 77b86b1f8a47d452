"""Stored bytes from a remote store, once more: several requests at once, in order, in bounded memory."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import cycle

from transfer_service.errors import BlobMissing
from transfer_service.services.steps import Aside
from transfer_service.storage.blobs import BlobStore, Key
from transfer_service.wire.ranges import Span

BLOCK_BYTES = 8 * 1024 * 1024
"""Blocks end where objects do: a store has checksums of whole ones only."""
AT_ONCE = 3
"""Blocks in memory, on their way or with the caller, who lets go of each before it asks for the next one."""


def read_back(store: BlobStore, key: Key, span: Span) -> Generator[bytes, None, None]:
    """The bytes of a span in blocks, the next ones on their way meanwhile, checked. Raises BlobMissing, ReadFailed.

    Requests wait on threads of their own, greenlets where gevent serves: none in the pool.
    """
    with ExitStack() as opened:
        ongoing: deque[tuple[Aside[bytes], int]] = deque()
        readers = [opened.enter_context(closing(store.open_reader(key, is_checked=True))) for _ in range(AT_ONCE)]
        opened.callback(_wait_for, ongoing)  # before the readers are closed
        for reader, block in zip(cycle(readers), _blocks(span), strict=False):
            if len(ongoing) == AT_ONCE:
                yield _next(ongoing)
            ongoing.append((Aside(partial(reader.read, block.start, block.size)), block.size))
        while ongoing:
            yield _next(ongoing)


def _blocks(span: Span) -> Iterator[Span]:
    for start in range(span.start // BLOCK_BYTES * BLOCK_BYTES, span.stop, BLOCK_BYTES):
        if block := Span(start, start + BLOCK_BYTES).overlap(span):
            yield block


def _next(ongoing: deque[tuple[Aside[bytes], int]]) -> bytes:
    block, size = ongoing.popleft()
    data = block.result()
    if len(data) < size:
        raise BlobMissing("The stored file is shorter than it should be")
    return data


def _wait_for(ongoing: deque[tuple[Aside[bytes], int]]) -> None:
    for block, _ in ongoing:
        block.wait()
