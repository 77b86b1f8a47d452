"""How large a file is while it arrives: what was declared, what was guessed, and what contradicts either."""

from dataclasses import dataclass

from transfer_service.errors import InvalidRequest, RangeConflict, TooLarge
from transfer_service.models.files import FileState
from transfer_service.services.files.rows import FileFacts
from transfer_service.wire.ranges import Span

TOTAL_MISMATCH = "Total size does not match the one given earlier"
PAST_THE_END = "Chunk is past the end of the file"


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a file is: its length, None while nobody has said it, and the bytes that it reserves meanwhile."""

    length: int | None
    reserved_bytes: int
    is_declared: bool


def agreed_extent(file: FileFacts | None, span: Span, *, claimed: int | None, infer: bool) -> Extent:
    """The extent of a file once `span` is part of it: declared, or with `infer` guessed from the highest byte so far.

    Raises InvalidRequest where totals disagree, RangeConflict for new bytes of a complete file, TooLarge past the end.
    """
    declared = file.length if file and file.length_declared else None
    highest = file.reserved_bytes if file else 0
    if claimed is not None and (claimed < highest if declared is None else claimed != declared):
        raise InvalidRequest(TOTAL_MISMATCH)
    total = claimed if claimed is not None else declared
    if total is not None:
        if span.stop > total:
            if file and file.state is FileState.COMPLETE and declared is not None:
                raise RangeConflict("The file is complete; delete it first")
            raise TooLarge(PAST_THE_END)
        return Extent(length=total, reserved_bytes=total, is_declared=True)
    highest = max(highest, span.stop)
    is_guessed = infer or (file is not None and file.length is not None)
    return Extent(length=highest if is_guessed else None, reserved_bytes=highest, is_declared=False)
