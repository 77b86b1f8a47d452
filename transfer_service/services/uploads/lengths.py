"""How large a file is while it arrives: what was declared, what was guessed, and what contradicts either."""

from dataclasses import replace

from transfer_service.errors import InvalidRequest, RangeConflict, TooLarge
from transfer_service.services.files.rows import FileRecord
from transfer_service.wire.ranges import Span

TOTAL_MISMATCH = "Total size does not match the one given earlier"
PAST_THE_END = "Chunk is past the end of the file"


def agreed(file: FileRecord, span: Span, *, claimed: int | None, infer: bool) -> FileRecord:
    """The record of a file once `span` is part of it: its length, and what it reserves while nobody has said that.

    With `infer` the length is guessed from the highest byte so far. Raises InvalidRequest where totals disagree,
    RangeConflict for new bytes of a complete file, TooLarge past the end.
    """
    declared = file.length if file.length_declared else None
    highest = file.reserved_bytes
    if claimed is not None and (claimed < highest if declared is None else claimed != declared):
        raise InvalidRequest(TOTAL_MISMATCH)
    total = claimed if claimed is not None else declared
    if total is not None:
        if span.stop > total:
            if file.is_complete and declared is not None:
                raise RangeConflict("The file is complete; delete it first")
            raise TooLarge(PAST_THE_END)
        return replace(file, length=total, reserved_bytes=total, length_declared=True)
    highest = max(highest, span.stop)
    is_guessed = infer or file.length is not None
    return replace(file, length=highest if is_guessed else None, reserved_bytes=highest, length_declared=False)


def was_whole(file: FileRecord) -> bool:
    """Whether a file of a guessed total was finished, and so flushed: a chunk that is not would put all in doubt."""
    return not file.length_declared and bool(file.received_bytes) and file.unflushed_boot is None
