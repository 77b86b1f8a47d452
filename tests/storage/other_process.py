"""A second process that holds a writer: what only processes show is tested with a real one."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transfer_service.wire.ranges import Span

REPOSITORY = Path(__file__).parents[2]
_HOLD = """
import sys, uuid
from pathlib import Path
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import FILES
from transfer_service.wire.ranges import Span

root, blob_id, start, stop = sys.argv[1:]
store = DiskStore(Path(root), FILES)
with store.open_writer(uuid.UUID(blob_id), Span(int(start), int(stop)), create=True, wait_seconds=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(root: Path, blob_id: uuid.UUID, span: Span) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a writer of the span; closing its standard input makes it let go."""
    command = [sys.executable, "-c", _HOLD, str(root), str(blob_id), str(span.start), str(span.stop)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()
