"""Who acts: known once for a request or an event of a socket, and heard of by whatever is recorded of it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and from where. All is None for commands, and for what the service does by itself.

    With an `account_id` and no `name` the account's name is looked up where it is recorded.
    """

    account_id: uuid.UUID | None
    name: str | None
    ip_address: str | None


NOBODY = Actor(None, None, None)
_present: ContextVar[Actor] = ContextVar("actor", default=NOBODY)


def present_actor() -> Actor:
    """Who acts now, in this greenlet or thread, and in what `offload` runs for it."""
    return _present.get()


def set_actor(actor: Actor) -> None:
    """From here on this greenlet or thread works for `actor`. For the doors; all others take `as_actor`."""
    _present.set(actor)


@contextmanager
def as_actor(actor: Actor) -> Iterator[None]:
    """Work on somebody's behalf until the block ends."""
    token = _present.set(actor)
    try:
        yield
    finally:
        _present.reset(token)
