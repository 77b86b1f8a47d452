"""`scripts/walk [production|container]`: what the documentation promises of an empty Debian, done in one."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.walk.container import run_container
from tests.walk.production import walk
from tests.walk.roots import SUITES, needs, removed


def main() -> None:
    """Go each way that is named, or both."""
    parser = argparse.ArgumentParser(prog="scripts/walk", description=__doc__)
    parser.add_argument("ways", nargs="*", choices=["production", "container", []])
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0], help="the Debian of production")
    arguments = parser.parse_args()
    ways = arguments.ways or ["production", "container"]
    lacking = needs()
    if lacking:
        sys.exit(f"This needs {lacking}")
    for way in ways:
        with tempfile.TemporaryDirectory(prefix="walk-") as made, removed(Path(made) / "root") as root:
            took = walk(root, arguments.suite) if way == "production" else run_container(root)
            print(f"{way}: all as it should be, after {took:.0f} seconds", flush=True)


if __name__ == "__main__":
    main()
