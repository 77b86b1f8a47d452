"""Merged intervals of received bytes: pure arithmetic, and the few indexed rows that one chunk touches."""

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from transfer_service.models import ReceivedRange
from transfer_service.wire.spans import Span


def absorb(touching: Sequence[Span], new: Span) -> tuple[Span, int]:
    """The one span that `new` and the stored spans that it touches become, and how many of its bytes are new."""
    start = min([new.start, *(span.start for span in touching)])
    stop = max([new.stop, *(span.stop for span in touching)])
    return Span(start, stop), (stop - start) - sum(span.size for span in touching)


def gaps(spans: Iterable[Span], length: int) -> list[Span]:
    """What is missing between sorted, disjoint `spans` and `length`."""
    missing, position = [], 0
    for span in spans:
        if span.start > position:
            missing.append(Span(position, span.start))
        position = span.stop
    if position < length:
        missing.append(Span(position, length))
    return missing


def touching_spans(session: Session, file_id: uuid.UUID, span: Span) -> list[Span]:
    """The stored spans that overlap `span` or border on it, by two index look-ups however many there are."""
    rows = ReceivedRange
    before = (
        select(func.max(rows.start))
        .where(rows.file_id == file_id, rows.start <= span.start)
        .scalar_subquery()
    )  # fmt: skip
    statement = (
        select(rows.start, rows.stop)
        .where(rows.file_id == file_id, rows.start >= func.coalesce(before, span.start), rows.start <= span.stop)
        .order_by(rows.start)
    )
    return [Span(start, stop) for start, stop in session.execute(statement) if stop >= span.start]


def add_span(session: Session, file_id: uuid.UUID, span: Span) -> int:
    """Record `span` as received, merged with its neighbours, and tell how many of its bytes are new."""
    touching = touching_spans(session, file_id, span)
    merged, added = absorb(touching, span)
    if added:
        rows = ReceivedRange
        if touching:
            starts = [stored.start for stored in touching]
            session.execute(delete(rows).where(rows.file_id == file_id, rows.start.in_(starts)))
        session.execute(insert(rows).values(file_id=file_id, start=merged.start, stop=merged.stop))
    return added


def first_spans(session: Session, file_id: uuid.UUID, *, limit: int | None = None) -> list[Span]:
    """The stored spans from the front, all of them without `limit`."""
    rows = ReceivedRange
    statement = select(rows.start, rows.stop).where(rows.file_id == file_id).order_by(rows.start).limit(limit)
    return [Span(start, stop) for start, stop in session.execute(statement)]


def contiguous_from_start(session: Session, file_id: uuid.UUID) -> int:
    """The first byte that is missing: the stop of the span that begins at 0."""
    statement = select(ReceivedRange.stop).where(ReceivedRange.file_id == file_id, ReceivedRange.start == 0)
    return session.execute(statement).scalar_one_or_none() or 0
