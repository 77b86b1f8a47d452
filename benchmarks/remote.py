"""What do remote downloads cost? Beside curl and sha256sum, and with hundreds who follow the progress.

First part (`benchmarks.remote_fetch`): our service and its worker fetch a large archive from a local nginx; by turns
with them, in the same run, curl fetches the same file and sha256sum reads it. Time is from the request until the
download is listed as completed: so it has in it that the worker is woken up, that the bytes are verified and flushed to
the disk, and up to 50 ms until the next look at the list. Second part (`benchmarks.remote_progress`): a download from a
slow source, and clients with accounts of their own that follow its events, those who read and others who do not.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks import remote_fetch, remote_progress
from benchmarks.crowd import allow_open_files
from benchmarks.measure import MEBIBYTE, progress, say
from benchmarks.nginx import is_installed
from benchmarks.payload import Payload, make_payload

SMALL_BYTES = 16 * MEBIBYTE
PARTS = ("fetch", "progress")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    group = parser.add_argument_group("remote")
    group.add_argument("--rounds", type=int, default=5, help="how often the archive is fetched (default: 5)")
    group.add_argument(
        "--progress-seconds", type=float, default=20, help="how long readers follow a download (default: 20)"
    )
    group.add_argument("--remote-part", choices=PARTS, help="only this part")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    if not is_installed() or shutil.which("curl") is None:
        say("There is no nginx or no curl here: remote downloads are left out")
        return
    mebibytes = arguments.mebibytes
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        files = Path(folder)
        large = _archive(files, mebibytes * MEBIBYTE)
        if arguments.remote_part != "progress":
            small = _archive(files, min(SMALL_BYTES, mebibytes * MEBIBYTE // 2))
            remote_fetch.report(remote_fetch.measure(files, small, large, rounds=arguments.rounds), mebibytes=mebibytes)
        if arguments.remote_part != "fetch" and allow_open_files():
            _run_progress(files, large, arguments)


def _run_progress(files: Path, large: Payload, arguments: argparse.Namespace) -> None:
    runs = []
    for number in range(arguments.runs):
        progress(f"run {number + 1} of {arguments.runs}: {remote_progress.READERS} follow a download")
        runs.append(remote_progress.measure(files, large, seconds=arguments.progress_seconds))
    remote_progress.report(runs)


def _archive(folder: Path, size: int) -> Payload:
    """A file whose name is its digest."""
    payload = make_payload(folder / f"{size}", size)
    return Payload(payload.path.rename(folder / payload.sha256), payload.view, payload.sha256)
