"""The programs of client/examples, ready to run."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.missing import missing

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "client/examples"


def compiled(source: Path, target: Path) -> Path:
    """A C program, without any warning."""
    if shutil.which("gcc") is None:
        missing("gcc is not installed")
    command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{EXAMPLES}", "-o", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return target


def node_command(*arguments: str) -> list[str]:
    """How Node.js is called."""
    if shutil.which("node") is None:
        missing("node is not installed")
    return ["node", *arguments]


def stand_in_command(program: Path) -> list[str]:
    """How a program is run by CPython with only what MicroPython has."""
    return [sys.executable, "-W", "error", str(Path(__file__).with_name("as_micropython.py")), str(program)]


def micropython_command(program: Path) -> list[str]:
    """How MicroPython is called, or what stands in for it where it is not installed."""
    return ["micropython", str(program)] if shutil.which("micropython") else stand_in_command(program)
