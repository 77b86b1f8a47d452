"""`scripts/walk [production|container|newcomer]`: what the documentation promises of an empty machine, done in one."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.walk.container import run_container
from tests.walk.newcomer import walk_newcomer
from tests.walk.production import walk
from tests.walk.roots import SUITES, needs, removed

WAYS = ["production", "container", "newcomer"]


def main() -> None:
    """Go each way that is named, or all."""
    parser = argparse.ArgumentParser(prog="scripts/walk", description=__doc__)
    parser.add_argument("ways", nargs="*", choices=[*WAYS, []])
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0], help="the Debian of production")
    arguments = parser.parse_args()
    ways = arguments.ways or WAYS
    lacking = needs()
    if lacking and ways != ["newcomer"]:
        sys.exit(f"This needs {lacking}")
    for way in ways:
        with tempfile.TemporaryDirectory(prefix="walk-") as made:
            took = _go(way, Path(made), arguments.suite)
            print(f"{way}: all as it should be, after {took:.0f} seconds", flush=True)


def _go(way: str, made: Path, suite: str) -> float:
    if way == "newcomer":
        return walk_newcomer(made)
    with removed(made / "root") as root:
        return walk(root, suite) if way == "production" else run_container(root)


if __name__ == "__main__":
    main()
