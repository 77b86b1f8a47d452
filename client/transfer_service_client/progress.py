"""How callers hear of transfers while they run."""

from typing import Protocol


class Progress(Protocol):
    """What is told about each transfer, by its name at the service. Called from several threads at once.

    One that has a method `expect(count: int, size: int)` hears beforehand that so many further files, of so many bytes
    together, were found that are going to be moved or compared. It is an estimate: files come and go meanwhile.
    """

    def begin(self, name: str, size: int) -> None:
        """A transfer of `size` bytes begins."""

    def advance(self, name: str, count: int) -> None:
        """`count` more bytes went over the line."""

    def restart(self, name: str, position: int) -> None:
        """It goes on at this byte: after a break, or because that many are there from before."""

    def done(self, name: str, *, was_moved: bool) -> None:
        """It is there, whole and verified. Not `was_moved`: the same bytes were there already."""

    def failed(self, name: str, error: Exception) -> None:
        """It was given up."""


class Silent:
    """Tells nobody."""

    def begin(self, name: str, size: int) -> None:
        """Do nothing."""

    def advance(self, name: str, count: int) -> None:
        """Do nothing."""

    def restart(self, name: str, position: int) -> None:
        """Do nothing."""

    def done(self, name: str, *, was_moved: bool) -> None:
        """Do nothing."""

    def failed(self, name: str, error: Exception) -> None:
        """Do nothing."""


SILENT: Progress = Silent()
