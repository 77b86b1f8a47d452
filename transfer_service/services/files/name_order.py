"""All files of an account in the order of their whole names, which no index has: files know only their last labels.

The names of one folder come in order, and between them those of the folders in it. So one folder after the other is
opened when its turn comes, and what is read is about what is shown.
"""

import uuid
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, and_, bindparam, exists, literal_column, or_, select

from transfer_service.db.prepared import PreparedSelect
from transfer_service.models.files import File, Folder
from transfer_service.services.files import rows as file_rows
from transfer_service.services.files.rows import FileRecord
from transfer_service.wire.filenames import MAX_LABELS

_files, _folders = File.__table__, Folder.__table__
_inner = _files.alias()
_is_visible = and_(
    _inner.c.holds_name, or_(_inner.c.received_bytes > 0, _inner.c.state == literal_column("'complete'"))
)
_is_full = exists().where(_inner.c.folder_id == _folders.c.id, _is_visible)
_LAST = chr(0x10FFFF)
_BEHIND_SLASH = chr(ord("/") + 1)


class _Place(NamedTuple):
    """A folder, its path with a `/` behind it, or the top, which has neither. No name in it comes before `turn`."""

    turn: str
    path: str
    folder_id: uuid.UUID | None


def _files_behind(*, is_ascending: bool, is_bounded: bool) -> tuple[PreparedSelect, PreparedSelect]:
    """For the top and for a folder."""
    label = _files.c.name
    ordered = file_rows.select_records.where(file_rows.is_visible)
    if is_bounded:
        ordered = ordered.where(label > bindparam("label") if is_ascending else label < bindparam("label"))
    ordered = ordered.order_by(label.asc() if is_ascending else label.desc()).limit(bindparam("most", type_=Integer))
    at_top = ordered.where(_files.c.account_id == bindparam("account_id"), _files.c.folder_id.is_(None))
    return PreparedSelect(at_top), PreparedSelect(ordered.where(_files.c.folder_id == bindparam("folder_id")))


_SELECTS = {
    (is_ascending, is_bounded): _files_behind(is_ascending=is_ascending, is_bounded=is_bounded)
    for is_ascending in (True, False)
    for is_bounded in (True, False)
}


def list_by_name(
    rows: Connection, account_id: uuid.UUID, *, is_ascending: bool, limit: int, after: str | None
) -> list[FileRecord]:
    """The visible files of an account by their names, behind a name."""
    waiting = sorted(_places(rows, account_id, is_ascending, limit, after), reverse=is_ascending)  # the next one last
    opened: list[tuple[str, FileRecord, Iterator[FileRecord]]] = []
    found: list[FileRecord] = []
    choose = min if is_ascending else max

    def go_on(files: Iterator[FileRecord]) -> None:
        for file in files:
            opened.append((file.name, file, files))
            return

    while len(found) < limit:
        turn = choose(opened, key=lambda each: each[0])[0] if opened else None
        while waiting and (turn is None or (waiting[-1].turn < turn) == is_ascending):
            go_on(_open(rows, account_id, waiting.pop(), is_ascending, limit, after))
            turn = choose(opened, key=lambda each: each[0])[0] if opened else None
        if not opened:
            break
        next_ = choose(opened, key=lambda each: each[0])
        opened.remove(next_)
        found.append(next_[1])
        go_on(next_[2])
    return found


def _places(
    rows: Connection, account_id: uuid.UUID, is_ascending: bool, limit: int, after: str | None
) -> Sequence[_Place]:
    """All places that may have a part in the page: those above the name behind which it begins, and the next full ones.

    Of these as many as there are files in the page, and those above: each has at least one.
    """
    path = _folders.c.path
    full = select(path).where(_folders.c.account_id == account_id, _is_full)
    if after is not None:
        full = full.where(path > after if is_ascending else path < after)
    ordered = full.order_by(path.asc() if is_ascending else path.desc()).limit(limit + MAX_LABELS)
    names = [*rows.execute(ordered).scalars(), *([after] if after is not None else [])]
    above = {each for name in names for each in _paths_above(name)}
    folders = select(path, _folders.c.id).where(_folders.c.account_id == account_id, path.in_(above))
    places = [(row.path, row.id) for row in rows.execute(folders)] if above else []
    return [_place("", None, is_ascending), *(_place(*each, is_ascending) for each in places)]


def _paths_above(name: str) -> Sequence[str]:
    """`a/b/c` -> `a/`, `a/b/`; a path with a `/` behind it is among its own."""
    return list(accumulate(f"{label}/" for label in name.split("/")[:-1]))


def _place(path: str, folder_id: uuid.UUID | None, is_ascending: bool) -> _Place:
    if is_ascending:
        return _Place(path, path, folder_id)
    return _Place(path[:-1] + _BEHIND_SLASH if path else _LAST, path, folder_id)


def _open(
    rows: Connection, account_id: uuid.UUID, place: _Place, is_ascending: bool, limit: int, after: str | None
) -> Iterator[FileRecord]:
    """The files in a place that come behind a name."""
    parameters: dict[str, Any] = {"account_id": account_id, "folder_id": place.folder_id, "most": limit}
    is_bounded = after is not None and after.startswith(place.path)
    if after is not None and is_bounded:
        parameters["label"] = after[len(place.path) :]
    elif after is not None and (place.path < after) == is_ascending:
        return iter(())  # all of it comes before that place
    statement = _SELECTS[is_ascending, is_bounded][place.folder_id is not None]
    return (FileRecord(*row) for row in statement.find_all(rows, parameters))
