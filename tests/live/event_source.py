"""An `eventsource` of npm that follows a stream, and what it has told so far."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.live import node

PATIENCE_SECONDS = 60.0


class EventSourceClient:
    """A running `event_source.mjs`."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        node.install()
        self._process = subprocess.Popen(
            ["node", str(node.FOLDER / "event_source.mjs"), json.dumps({"url": url, "headers": headers})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._news = threading.Condition()
        self._told: list[tuple[str, Any]] = []
        self._reader = threading.Thread(target=self._read, name="event-source")
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._told.append(tuple(json.loads(line)))
                self._news.notify_all()

    def messages(self) -> list[dict[str, Any]]:
        """Every message until now."""
        with self._news:
            return [data for event, data in self._told if event == "message"]

    def wait(self, event: str, *, seconds: float = PATIENCE_SECONDS, **fields: Any) -> Any:
        """What came with the first such event whose data has these fields."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for name, data in self._told:
                    if name == event and (not fields or fields.items() <= data.items()):
                        return data
                left = deadline - time.monotonic()
                assert left > 0 and self._news.wait(left), f"no {event} {fields} in {self._told[-20:]}"

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._reader.join()
            self._process.stdout.close()


@contextmanager
def following(url: str, headers: dict[str, str]) -> Iterator[EventSourceClient]:
    """A client that connects, again and again, until the block ends."""
    client = EventSourceClient(url, headers)
    try:
        yield client
    finally:
        client.close()
