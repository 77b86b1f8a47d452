"""`python -m benchmarks [name]...`: run the benchmarks that are named, or all of them."""

import argparse
import os
import platform
from datetime import UTC, datetime

from benchmarks import (
    backup,
    bundles,
    chat,
    client,
    dashboard,
    downloads,
    fairness,
    folders,
    growing,
    lines,
    previews,
    remote,
    resumable,
    scale,
    sign_ins,
    start,
    structure,
    telemetry,
    uploads,
    webhooks,
)
from benchmarks.measure import say


def _run_peers(arguments: argparse.Namespace) -> None:
    for module in (uploads, downloads, resumable, fairness):
        module.run(arguments)


BENCHMARKS = {
    "peers": _run_peers,
    "uploads": uploads.run,
    "downloads": downloads.run,
    "resumable": resumable.run,
    "fairness": fairness.run,
    "bundles": bundles.run,
    "backup": backup.run,
    "scale": scale.run,
    "folders": folders.run,
    "growing": growing.run,
    "chat": chat.run,
    "client": client.run,
    "remote": remote.run,
    "sign_ins": sign_ins.run,
    "previews": previews.run,
    "webhooks": webhooks.run,
    "start": start.run,
    "structure": structure.run,
    "telemetry": telemetry.run,
    "dashboard": dashboard.run,
}
ALL = [name for name in BENCHMARKS if name not in {"peers", "dashboard"}]
HELP = f"one of {', '.join(ALL)}; peers: the first four, beside other servers; dashboard: a picture; without any: all"


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure the service. Nothing fails: it prints.")
    parser.add_argument("names", nargs="*", metavar="name", help=HELP)
    parser.add_argument("--runs", type=int, default=3, help="how often each thing is measured (default: 3)")
    parser.add_argument("--mebibytes", type=int, help="size of large files up and down (default: 1024)")
    lines.add_arguments(parser)
    for module in (fairness, scale, chat, remote, start, structure, dashboard, telemetry):
        module.add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.runs, arguments.seconds, arguments.probe_seconds = 1, min(arguments.seconds, 2), 5
    arguments.mebibytes = arguments.mebibytes or (256 if arguments.quick else 1024)
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {os.cpu_count()} CPUs")
    for name in arguments.names or ALL:
        BENCHMARKS[name](arguments)


if __name__ == "__main__":
    main()
