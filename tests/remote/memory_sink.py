"""A sink for downloads in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class MemorySink:
    """Keeps the bytes, and what was done with them."""

    data: bytes = b""
    calls: list[str] = field(default_factory=list)
    failure: Exception | None = None

    @property
    def length(self) -> int:
        return len(self.data)

    def append(self, blocks: Sequence[bytes]) -> None:
        self.calls.append("append")
        if self.failure is not None:
            raise self.failure
        self.data += b"".join(blocks)

    def restart(self) -> None:
        self.calls.append("restart")
        self.data = b""
