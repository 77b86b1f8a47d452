"""Bars on a terminal: one for each large file that is under way, and one for the whole where that is more."""

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

from transfer_service_client.cli.listeners import READ, Listener, Transfer
from transfer_service_client.cli.terminal import human_seconds, human_size, plural, safe

if TYPE_CHECKING:
    from transfer_service_client.cli.output import Output

_SMALL_BYTES = 1 << 20
_ROWS, _SPARE_LINES = 8, 4
_WINDOW_SECONDS = 10.0
_DRAWN_SECONDS = 0.1
_SILENT_SECONDS = 3.0
_NARROW, _WIDE = 50, 78


class _Speed:
    """Bytes a second, over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._total = 0
        self._moved_at = time.monotonic()

    def add(self, count: int) -> None:
        """So many more bytes went over the line."""
        self._total += count
        self._moved_at = now = time.monotonic()
        if now - self._samples[-1][0] > 0.1:
            self._samples.append((now, self._total))

    def silent_seconds(self) -> float:
        """For how long no byte has gone over the line, once that is worth a word; else 0."""
        silent = time.monotonic() - self._moved_at
        return silent if silent >= _SILENT_SECONDS else 0.0

    def value(self) -> float:
        """The speed at present."""
        now = time.monotonic()
        while len(self._samples) > 1 and now - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        began_at, before = self._samples[0]
        return (self._total - before) / max(now - began_at, 0.1)


class _Sum:
    """How many files there are, and their bytes."""

    def __init__(self) -> None:
        self.count = self.size = 0

    def add(self, size: int, count: int = 1) -> None:
        """Some more."""
        self.count += count
        self.size += size


class _Name(ProgressColumn):
    """What it is about, as text: markup in a name is none."""

    def render(self, task: Task) -> Text:
        """The name, cut where the line ends."""
        return Text(safe(task.description), overflow="ellipsis", no_wrap=True)


class _Numbers(ProgressColumn):
    """Size, speed and time left, as much as there is room for; where nothing moves, for how long."""

    def __init__(self, width: int) -> None:
        super().__init__(Column(no_wrap=True, justify="right"))
        self._width = width

    def render(self, task: Task) -> Text:
        """What is known of it."""
        total, speed = task.total or 0, task.fields["speed"].value()
        silent = task.fields["speed"].silent_seconds()
        texts = [f"{100 * task.completed / total if total else 0:3.0f} %"]
        if self._width >= _NARROW:
            texts.append(f"{'waiting':>9}" if silent else f"{human_size(speed):>7}/s")
        if self._width >= _WIDE:
            texts.insert(1, f"{human_size(task.completed):>7} of {human_size(total):>7}")
            left = human_seconds((total - task.completed) / speed) if speed >= 1 else ""
            texts.append(f"{human_seconds(silent):<12}" if silent else f"{left:>7} left" if left else " " * 12)
        return Text("  ".join(texts), no_wrap=True)


class Bars(Listener):
    """A listener that draws. Where more large files are under way than there are lines, some have none."""

    def __init__(self, output: "Output", verb: str) -> None:
        super().__init__(output, verb)
        console = Console(file=sys.stderr, highlight=False)
        columns = (
            _Name(Column(ratio=2, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            _Numbers(console.width),
        )
        self._progress = Progress(
            *columns, console=console, transient=True, expand=True, redirect_stdout=False, redirect_stderr=False
        )
        self._rows: dict[str, tuple[TaskID, _Speed]] = {}
        self._most_rows = max(1, min(_ROWS, console.height - _SPARE_LINES))
        self._speed = _Speed()
        self._expected = _Sum()
        self._begun = _Sum()
        self._dropped = _Sum()  # there already, or given up: nobody waits for those bytes
        self._finished = 0
        self._drawn_at = 0.0
        self._whole = self._progress.add_task("", total=None, speed=self._speed)
        self._draw_whole(at_once=True)
        self._progress.start()

    def print_line(self, stream: TextIO, line: str) -> None:  # noqa: ARG002 # both are the terminal
        """Print above the bars."""
        with self._guard:
            self._progress.console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """Take the bars away; the cursor comes back."""
        self._progress.stop()

    def expect(self, count: int, size: int) -> None:
        """So much more was found that will begin."""
        with self._guard:
            self._expected.add(size, count)
            self._draw_whole()

    def _show_begin(self, name: str, transfer: Transfer) -> None:
        self._begun.add(transfer.size)
        if transfer.size >= _SMALL_BYTES and len(self._rows) < self._most_rows:
            speed = _Speed()
            self._rows[name] = (self._progress.add_task(name, total=transfer.size, speed=speed), speed)
        self._draw_whole()

    def _show_position(self, name: str, transfer: Transfer, count: int) -> None:
        self._speed.add(count)
        if name in self._rows:
            task, speed = self._rows[name]
            speed.add(count)
            self._progress.update(task, completed=transfer.position)
        self._draw_whole()

    def _show_restart(self, name: str, transfer: Transfer) -> None:
        if name in self._rows:
            self._progress.update(self._rows[name][0], completed=transfer.position)
        self._draw_whole()

    def _show_done(self, name: str, transfer: Transfer, *, was_moved: bool) -> None:
        if was_moved or self.verb == READ:
            self._finished += transfer.size
        else:
            self._dropped.add(transfer.size)
        self._end_row(name)

    def _show_failed(self, name: str, transfer: Transfer, error: Exception) -> None:  # noqa: ARG002
        self._dropped.add(transfer.size, 0)
        self._end_row(name)

    def _end_row(self, name: str) -> None:
        if name in self._rows:
            self._progress.remove_task(self._rows.pop(name)[0])
        self._draw_whole(at_once=True)

    def _draw_whole(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if now - self._drawn_at < _DRAWN_SECONDS and self._running and not at_once:
            return
        self._drawn_at = now
        completed = self._finished + sum(transfer.position for transfer in self._running.values())
        # What has begun may be more than was expected: files come meanwhile.
        total = max(self._expected.size, self._begun.size) - self._dropped.size
        # Of one file two bars would tell the same.
        is_shown = not self._rows or max(self._expected.count, self._begun.count) > 1
        text = self._text()
        self._progress.update(self._whole, description=text, total=total or None, completed=completed, visible=is_shown)

    def _text(self) -> str:
        done, same = self.counts.done, self.counts.same
        if self.verb == READ:
            done, same = done + same, 0
        count = max(self._expected.count, self._begun.count) - self._dropped.count
        whole = f"{done} of {plural(count, 'file')}" if count and self._expected.count else plural(done, "file")
        return f"{whole} {self.verb}" + (f", {same} there already" if same else "")
