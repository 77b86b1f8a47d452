"""What a resumable upload must be, for the state machine that compares."""

from dataclasses import dataclass, field

from transfer_service.services.uploads.rows import UploadRecord


@dataclass(eq=False)
class Model:
    """One upload. `held` is the name of the file that it became."""

    facts: UploadRecord
    name: str
    length: int | None
    overwrite: bool = False
    is_part: bool = False
    parts: list["Model"] = field(default_factory=list)
    data: bytes = b""
    held: str | None = None
    is_gone: bool = False
    keeps_room: bool = True
    """Whether an upload that is gone waits for the cleanup."""

    @property
    def reserved(self) -> int:
        if self.held is not None or self.parts or not self.keeps_room:
            return 0
        return len(self.data) if self.length is None else self.length

    @property
    def is_whole(self) -> bool:
        return self.length == len(self.data)
