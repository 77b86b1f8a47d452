"""PostgreSQL's own programs `pg_dump` and `pg_restore`: which are there, and how they are called.

No password is on their command line, where everybody on the machine could read it.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import make_url

from transfer_service.errors import BackupRefused

_INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian has the programs of each version; those on the path choose one of them by a server of this machine."""
_MOST_SHOWN = 500


def begin_program(name: str, url: str, options: Sequence[str], *, server: int = 0) -> "subprocess.Popen[bytes]":
    """Start a program on a database. `server` is the major version that it must understand, 0 for any.

    Raises BackupRefused where it is not installed, or too old.
    """
    program = _find(name, server)
    address = make_url(url).set(drivername="postgresql")
    password = address.query.get("password") or address.password
    plain = address.difference_update_query(["password"])._replace(password=None).render_as_string(hide_password=False)
    environment = dict(os.environ) | ({"PGPASSWORD": str(password)} if password else {})
    command = [program, f"--dbname={plain}", "--no-password", *options]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)  # noqa: S603 - a list


def finish_program(process: "subprocess.Popen[bytes]", name: str) -> None:
    """Wait for its end. Raises BackupRefused with its own words where it has failed."""
    _, said = process.communicate()
    if process.returncode:
        words = " ".join(said.decode(errors="replace").split())
        if "No space left on device" in words:
            raise BackupRefused(f"There is no room left for what {name} writes")
        raise BackupRefused(f"{name} has failed: {_without_addresses(words)[:_MOST_SHOWN] or 'it was killed'}")


def _without_addresses(words: str) -> str:
    """Where libpq quotes an address it may hold a password."""
    return re.sub(r"postgres(?:ql)?://\S+", "the database", words)


def _find(name: str, server: int) -> str:
    found = _newest(name)
    if found is None:
        raise BackupRefused(f"{name} is not installed: it is in PostgreSQL's client package, {_package(server)}")
    program, version = found
    if version < server:
        raise BackupRefused(f"{name} is of version {version}, and the server of {server}: install {_package(server)}")
    return program


def _package(server: int) -> str:
    return f"postgresql-client-{server}" if server else "postgresql-client"


def _newest(name: str) -> tuple[str, int] | None:
    """The newest program of that name, and its major version."""
    found = shutil.which(name)
    places = [*([found] if found else []), *map(str, _INSTALLED.glob(f"*/bin/{name}"))]
    versions = {place: _version_of(place) for place in places}
    return max(versions.items(), key=lambda each: each[1]) if versions else None


def _version_of(program: str) -> int:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, check=True).stdout.decode()  # noqa: S603 - a list
    except (OSError, subprocess.CalledProcessError):
        return 0
    match = re.search(r"\) (\d+)", said)
    return int(match[1]) if match else 0
