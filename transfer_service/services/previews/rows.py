"""The records of previews, and prepared statements on them: what is to be made, what there is, what is to go."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, bindparam, delete, insert, literal_column, select, text, update

from transfer_service.db.database import Executor
from transfer_service.db.prepared import PreparedSelect, PreparedWrite
from transfer_service.models.chat import Message
from transfer_service.models.files import File, FileState, TrashedFile
from transfer_service.models.previews import Preview, PreviewState
from transfer_service.previewer.protocol import SIZES, Made

URGENT, USUAL = 0, 1
"""Ranks: somebody waits for it, or nobody does yet."""

previews = Preview.__table__
_files, _trashed, _messages = File.__table__, TrashedFile.__table__, Message.__table__


@dataclass(frozen=True, slots=True)
class PreviewRecord:
    """A row of `previews`, see `models.previews`."""

    subject: str
    state: PreviewState
    rank: int
    queued_at: datetime
    due_at: datetime
    runner: uuid.UUID | None
    tries: int
    deaths: int
    width: int | None
    height: int | None
    duration: float | None
    blurhash: str | None
    length_160: int | None
    length_480: int | None
    length_1280: int | None
    sha256: str | None
    made_at: datetime | None

    def span_of(self, size: int) -> tuple[int, int]:
        """Where the picture of that size lies in the blob of one that is ready: its first byte, and its length."""
        lengths = [self.length_160 or 0, self.length_480 or 0, self.length_1280 or 0]
        place = SIZES.index(size)
        while place and not lengths[place]:  # the same as the next smaller one
            place -= 1
        return sum(lengths[:place]), lengths[place]

    @property
    def length(self) -> int:
        """That of the blob."""
        return (self.length_160 or 0) + (self.length_480 or 0) + (self.length_1280 or 0)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is told of an attachment that has a preview; None: that is not known yet."""

    width: int | None = None
    height: int | None = None
    duration: float | None = None
    blurhash: str | None = None


SHOWN: list[Any] = [
    previews.c.state.label("preview_state"),
    *(previews.c[name] for name in ("width", "height", "duration", "blurhash")),
]
"""Columns for `shown_of`, where a statement joins previews."""


def shown_of(row: Any) -> Shown | None:
    """What is told of a preview, None where there is none, nor will be."""
    if row.preview_state not in {PreviewState.WAITING, PreviewState.READY}:
        return None
    return Shown(row.width, row.height, row.duration, row.blurhash)


_NAMES = [each.name for each in fields(PreviewRecord)]
_COLUMNS: list[Any] = [previews.c[name] for name in _NAMES]
_is_subject = previews.c.subject == bindparam("of_subject")
_FIND = PreparedSelect(select(*_COLUMNS).where(_is_subject))
_INSERT = PreparedWrite(insert(previews).prefix_with("OR REPLACE", dialect="sqlite"))
_UPSERT = text(
    f"INSERT INTO previews ({', '.join(_NAMES)}) VALUES ({', '.join(f':{name}' for name in _NAMES)})"  # noqa: S608
    f" ON CONFLICT (subject) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _NAMES[1:])}"
).bindparams(*(bindparam(name, type_=previews.c[name].type) for name in _NAMES))
_is_waiting = previews.c.state == literal_column("'waiting'")  # in the words of the index
_is_gone = previews.c.state == literal_column("'gone'")
_WAITING = PreparedSelect(
    select(previews.c.subject)
    .where(_is_waiting, previews.c.due_at <= bindparam("now"))
    .order_by(previews.c.rank, previews.c.queued_at)
    .limit(bindparam("limit", type_=BigInteger))
)
_STILL_WAITING = select(previews.c.subject).where(
    previews.c.subject.in_(bindparam("subjects", expanding=True)), _is_waiting
)
_URGENT = select(previews.c.subject).where(
    previews.c.subject.in_(bindparam("subjects", expanding=True)), previews.c.rank == URGENT
)
_GONE = PreparedSelect(
    select(previews.c.subject)
    .where(_is_gone, previews.c.due_at <= bindparam("now"))
    .limit(bindparam("limit", type_=BigInteger))
)
_CLAIM = (
    update(previews)
    .where(_is_subject, _is_waiting, previews.c.due_at <= bindparam("now"))
    .values(runner=bindparam("by_runner"), due_at=bindparam("until"), tries=previews.c.tries + 1)
)
_is_mine = and_(_is_subject, _is_waiting, previews.c.runner == bindparam("by_runner"))
_MINE = PreparedSelect(select(previews.c.subject).where(_is_mine))
_GO_GONE = (
    update(previews)
    .where(previews.c.subject.in_(bindparam("subjects", expanding=True)))
    .values(state=PreviewState.GONE)
)
_HURRY = update(previews).where(_is_subject, _is_waiting, previews.c.rank > URGENT).values(rank=URGENT)
_sources = [
    select(table.c.length, table.c.sha256).where(table.c.id == bindparam("file_id"), *conditions)
    for table, conditions in ((_files, [_files.c.state == FileState.COMPLETE]), (_trashed, []))
]


def find(rows: Executor, subject: str) -> PreviewRecord | None:
    """The preview of a subject, made or not; None where nobody has asked for one."""
    row = _FIND.find(rows, {"of_subject": subject})
    return PreviewRecord(*row) if row is not None and row.state is not PreviewState.GONE else None


def add(rows: Executor, subject: str, now: datetime, *, rank: int = USUAL) -> None:
    """Let a preview be made, in place of one that there may be: the file has come to be whole, perhaps anew."""
    values = {
        **dict.fromkeys(_NAMES),
        "subject": subject, "state": PreviewState.WAITING, "rank": rank,
        "queued_at": now, "due_at": now, "tries": 0, "deaths": 0,
    }  # fmt: skip
    if isinstance(rows, Connection) and rows.dialect.name == "sqlite":
        _INSERT.run(rows, values)
    else:
        rows.execute(_UPSERT, values)


def hurry(rows: Executor, subject: str) -> bool:
    """Put a preview before all that nobody waits for. Whether it was not there yet."""
    result: Any = rows.execute(_HURRY, {"of_subject": subject})
    return bool(result.rowcount)


def let_go(rows: Executor, subjects: Sequence[str]) -> None:
    """Let previews go, in the transaction in which their files go for good: a worker removes the bytes."""
    if subjects:
        rows.execute(_GO_GONE, {"subjects": list(subjects)})


def find_waiting(rows: Executor, now: datetime, *, limit: int) -> list[str]:
    """What may be made now: first what somebody waits for, then what has waited longest."""
    return [row.subject for row in _WAITING.find_all(rows, {"now": now, "limit": limit})]


def still_waiting(rows: Executor, subjects: Collection[str]) -> set[str]:
    """Those of some subjects whose previews are to be made yet."""
    return set(rows.execute(_STILL_WAITING, {"subjects": list(subjects)}).scalars())


def find_urgent(rows: Executor, subjects: Collection[str]) -> list[str]:
    """Those of some subjects that somebody has waited for, made or not."""
    return list(rows.execute(_URGENT, {"subjects": list(subjects)}).scalars())


def claim(rows: Executor, subject: str, runner: uuid.UUID, now: datetime, lease: timedelta) -> PreviewRecord | None:
    """Take a preview for `lease`, unless somebody else has: then None."""
    values = {"of_subject": subject, "by_runner": runner, "now": now, "until": now + lease}
    result: Any = rows.execute(_CLAIM, values)
    return find(rows, subject) if result.rowcount else None


def is_mine(rows: Executor, subject: str, runner: uuid.UUID) -> bool:
    """Whether the preview is still to be made, and by this runner."""
    return _MINE.find(rows, {"of_subject": subject, "by_runner": runner}) is not None


def prolong(rows: Executor, subject: str, runner: uuid.UUID, until: datetime) -> bool:
    """Keep the lease until then. Whether it was still this runner's."""
    return _change(rows, subject, runner, due_at=until)


def set_ready(rows: Executor, subject: str, runner: uuid.UUID, made: Made, *, sha256: str, now: datetime) -> bool:
    """The preview is made, and its bytes are stored. Whether it was still this runner's to make."""
    lengths = map(len, made.pictures)
    return _change(
        rows, subject, runner,
        state=PreviewState.READY, runner=None, due_at=now, made_at=now, sha256=sha256,
        **dict(zip(("length_160", "length_480", "length_1280"), lengths, strict=True)),
        width=made.facts.width, height=made.facts.height,
        duration=made.facts.duration, blurhash=made.facts.blurhash,
    )  # fmt: skip


def set_none(rows: Executor, subject: str, runner: uuid.UUID) -> bool:
    """There is no preview of this."""
    return _change(rows, subject, runner, state=PreviewState.NONE, runner=None)


def put_back(rows: Executor, subject: str, runner: uuid.UUID, *, due_at: datetime, **counts: int) -> bool:
    """Let it be tried again from `due_at` on; `counts` are the new values of `tries` and `deaths`."""
    return _change(rows, subject, runner, runner=None, due_at=due_at, **counts)


def drop(rows: Executor, subjects: Sequence[str]) -> None:
    """Forget what is no picture and no film: who asks for a preview of it is told so by its first bytes."""
    is_untouched = and_(_is_waiting, previews.c.runner.is_(None))
    rows.execute(delete(previews).where(previews.c.subject.in_(subjects), is_untouched))


def is_known(rows: Executor, subject: str) -> bool:
    """Whether there is a row, also of one that has gone."""
    return _FIND.find(rows, {"of_subject": subject}) is not None


def remove(rows: Executor, subject: str) -> None:
    """Forget a preview that has gone, and its bytes before it."""
    rows.execute(delete(previews).where(previews.c.subject == subject, _is_gone))


def find_gone(rows: Executor, now: datetime, *, limit: int) -> list[str]:
    """Previews whose bytes are to go, and nobody is just making them."""
    return [row.subject for row in _GONE.find_all(rows, {"now": now, "limit": limit})]


def find_source(rows: Executor, subject: str) -> tuple[str, int] | None:
    """What a preview is made of: of an attachment its filename, else nothing; and its length. None where it is gone."""
    if len(subject) == len(uuid.UUID(int=0).hex):
        for source in _sources:
            found = rows.execute(source, {"file_id": uuid.UUID(hex=subject)}).first()
            if found is not None:
                return "", found.length or 0
        return None
    attached = select(_messages.c.filename, _messages.c.length).where(
        _messages.c.id == subject, _messages.c.filename.is_not(None)
    )
    row = rows.execute(attached).first()
    return (row.filename, row.length) if row is not None else None


def _change(rows: Executor, subject: str, runner: uuid.UUID, /, **values: object) -> bool:
    result: Any = rows.execute(
        update(previews).where(_is_mine).values(values), {"of_subject": subject, "by_runner": runner}
    )
    return bool(result.rowcount)
