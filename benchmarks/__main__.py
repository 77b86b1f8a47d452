"""`python -m benchmarks [name]...`: run the benchmarks that are named, or all of them."""

import argparse
import os
import platform
from datetime import UTC, datetime

from benchmarks import chat, downloads, fairness, remote, resumable, scale, structure, uploads
from benchmarks.measure import say

BENCHMARKS = {
    "uploads": uploads.run,
    "downloads": downloads.run,
    "fairness": fairness.run,
    "scale": scale.run,
    "chat": chat.run,
    "remote": remote.run,
    "resumable": resumable.run,
    "structure": structure.run,
}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure the service. Nothing fails: it prints.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(BENCHMARKS)}; without any: all")
    parser.add_argument("--runs", type=int, default=3, help="how often each thing is measured (default: 3)")
    parser.add_argument(
        "--mebibytes", type=int, help="size of files up and down (default: 256 up in 64 KiB chunks, else 1024)"
    )
    for module in (uploads, downloads, fairness, scale, chat, remote, resumable, structure):
        module.add_arguments(parser)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {os.cpu_count()} CPUs")
    for name in arguments.names or BENCHMARKS:
        BENCHMARKS[name](arguments)


if __name__ == "__main__":
    main()
