"""Parts of open files that the kernel sends, so that their bytes are not copied through the program (sendfile(2))."""

import os
import socket
from dataclasses import dataclass, field

from transfer_service_client.errors import FileChanged

IS_POSSIBLE = hasattr(os, "sendfile") and hasattr(os, "preadv")


@dataclass
class FilePart:
    """So many bytes of an open file from `start` on. `name` is what people call it."""

    name: str
    descriptor: int
    start: int
    size: int
    _position: int = field(init=False, default=0)

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        """For who cannot have the kernel send it. Raises as `send`."""
        self.seek(self.start)
        data = self.read(self.size)
        self._check(len(data))
        return data

    def send(self, connection: socket.socket) -> None:
        """Send it. Raises FileChanged where the file ends before, and what a socket raises."""
        self.seek(self.start)
        self._check(connection.sendfile(self, self.start, self.size))

    def fileno(self) -> int:
        """For the kernel."""
        return self.descriptor

    def seek(self, position: int) -> None:
        """Let `read` go on there: for file systems that the kernel cannot send from. The file's own position stays."""
        self._position = position

    def read(self, count: int) -> bytes:
        """What comes next, at most so much."""
        data = os.pread(self.descriptor, count, self._position)
        self._position += len(data)
        return data

    def _check(self, count: int) -> None:
        if count < self.size:
            raise FileChanged(f"{self.name} was cut while it was sent")
