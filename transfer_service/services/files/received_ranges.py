"""Merged intervals of received bytes: pure arithmetic, and the few indexed rows that one chunk touches."""

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import BigInteger, Integer, and_, bindparam, delete, func, insert, select, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.files import File, ReceivedRange
from transfer_service.wire.ranges import Span


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


_files = File.__table__
_ranges = ReceivedRange.__table__
_of_file = _ranges.c.file_id == bindparam("of_file")
_from, _to = bindparam("from", type_=BigInteger), bindparam("to", type_=BigInteger)
_last_before = select(func.max(_ranges.c.start)).where(_of_file, _ranges.c.start <= _from).scalar_subquery()
_is_near = and_(_ranges.c.start >= func.coalesce(_last_before, _from), _ranges.c.start <= _to)
_spans = select(_ranges.c.start, _ranges.c.stop).order_by(_ranges.c.start)
_TOUCHING = PreparedSelect(_spans.where(_of_file, _is_near))
_TOUCHING_OF_FILE = PreparedSelect(
    _spans.select_from(_files.outerjoin(_ranges, and_(_ranges.c.file_id == _files.c.id, _is_near))).where(
        _files.c.id == bindparam("of_file")
    )
)
_ALL = PreparedSelect(_spans.where(_of_file))
_FIRST = PreparedSelect(_spans.where(_of_file).limit(bindparam("limit", type_=Integer)))
_END = PreparedSelect(
    select(func.coalesce(func.max(_ranges.c.stop), 0).label("stop"))
    .select_from(_files.outerjoin(_ranges, _ranges.c.file_id == _files.c.id))
    .where(_files.c.id == bindparam("of_file"))
    .group_by(_files.c.id)
)
_PREFIX = PreparedSelect(select(_ranges.c.stop).where(_of_file, _ranges.c.start == 0))
_EXTEND = PreparedWrite(update(_ranges).where(_of_file, _ranges.c.start == _from).values(stop=_to))
_DELETE = PreparedWrite(delete(_ranges).where(_of_file, _ranges.c.start.between(_from, _to)))
_INSERT = PreparedWrite(insert(_ranges))


def touching_spans(rows: Executor, file_id: uuid.UUID, span: Span) -> list[Span]:
    """The stored spans that overlap `span` or border on it, by two index look-ups however many there are."""
    found = _TOUCHING.find_all(rows, {"of_file": file_id, "from": span.start, "to": span.stop})
    return [Span(start, stop) for start, stop in found if stop >= span.start]


def find_touching_spans(rows: Executor, file_id: uuid.UUID, span: Span) -> list[Span] | None:
    """The same, or None where there is no such file any more."""
    found = _TOUCHING_OF_FILE.find_all(rows, {"of_file": file_id, "from": span.start, "to": span.stop})
    if not found:
        return None
    return [Span(start, stop) for start, stop in found if stop is not None and stop >= span.start]


def add_span(rows: Executor, file_id: uuid.UUID, span: Span) -> tuple[Span, int]:
    """Record `span` as received. The stored span that it is now part of, and how many of its bytes are new."""
    touching = touching_spans(rows, file_id, span)
    merged, added = absorb(touching, span)
    if not added:
        return merged, 0
    if len(touching) == 1 and touching[0].start == merged.start:  # the usual case: the chunk behind the last one
        _EXTEND.run(rows, {"of_file": file_id, "from": merged.start, "to": merged.stop})
        return merged, added
    if touching:
        _DELETE.run(rows, {"of_file": file_id, "from": touching[0].start, "to": touching[-1].start})
    _INSERT.run(rows, {"file_id": file_id, "start": merged.start, "stop": merged.stop})
    return merged, added


def add_first(rows: Executor, file_id: uuid.UUID, stop: int) -> None:
    """Record everything up to `stop` as received, of a file of which nothing was."""
    _INSERT.run(rows, {"file_id": file_id, "start": 0, "stop": stop})


def first_spans(rows: Executor, file_id: uuid.UUID, *, limit: int) -> list[Span]:
    """The first stored spans."""
    return [Span(start, stop) for start, stop in _FIRST.find_all(rows, {"of_file": file_id, "limit": limit})]


def all_spans(rows: Executor, file_id: uuid.UUID) -> list[Span]:
    """Every stored span, sorted."""
    return [Span(start, stop) for start, stop in _ALL.find_all(rows, {"of_file": file_id})]


def contiguous_from_start(rows: Executor, file_id: uuid.UUID) -> int:
    """The first byte that is missing: the stop of the span that begins at 0."""
    found = _PREFIX.find(rows, {"of_file": file_id})
    return found.stop if found else 0


def committed_end(rows: Executor, file_id: uuid.UUID) -> int | None:
    """Where the last stored span ends, 0 where nothing is stored, None where there is no such file."""
    found = _END.find(rows, {"of_file": file_id})
    return found.stop if found else None
