#!/usr/bin/python3
"""In place of systemctl and journalctl where no systemd runs: starts by hand what units say.

It is copied into a fresh Debian, and knows nothing but what is there.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/system")
LOGS = Path("/var/log/units")
OWN = "transfer"
READY_SECONDS = 60.0


def main() -> None:
    """Be the program by whose name it was called."""
    words = sys.argv[1:]
    if Path(sys.argv[0]).name == "journalctl":
        unit, count = words[words.index("-u") + 1], int(words[words.index("-n") + 1])
        sys.stdout.write("\n".join([*(LOGS / unit).read_text().splitlines()[-count:], ""]))
        return
    verb, names = words[0], [word for word in words[1:] if not word.startswith("-")]
    if verb == "daemon-reload":
        _verify()
    for name in names:
        if name == "nginx":
            _nginx(verb)
        elif verb in {"start", "restart"} or "--now" in words:
            _start(name)
        elif not _file_of(name).exists():
            sys.exit(f"Unit {name} does not exist")


def _verify() -> None:
    """All units as systemd reads them, without a word about ours."""
    paths = [str(path).replace("@.", "@1.") for path in UNITS.glob(f"{OWN}*")]
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    complaints = [line for line in result.stderr.splitlines() if OWN in line]
    if result.returncode or complaints:
        sys.exit(f"systemd-analyze verify: {result.stderr}")


def _nginx(verb: str) -> None:
    if verb == "restart":
        subprocess.run(["nginx", "-s", "stop"], check=False, capture_output=True)
        time.sleep(1)
        subprocess.run(["nginx"], check=True)
    else:
        subprocess.run(["nginx", "-s", "reload"], check=True)


def _file_of(name: str) -> Path:
    full = name if "." in name else f"{name}.service"
    return UNITS / re.sub(r"@[^.]+", "@", full)


def _read(path: Path, instance: str) -> dict[str, list[str]]:
    """The values of every key; keys may repeat."""
    unit: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            unit.setdefault(key, []).append(value.replace("%i", instance))
    return unit


def _start(name: str) -> None:
    """Begin a service, and wait until it says that it is ready; targets and timers only have to be there."""
    path = _file_of(name)
    unit = _read(path, name.partition("@")[2].partition(".")[0])
    if "ExecStart" not in unit:
        return
    (user,), (group,), (state,) = unit["User"], unit["Group"], unit["StateDirectory"]
    data = Path("/var/lib") / state
    subprocess.run(["install", "-d", "-m", unit["StateDirectoryMode"][0], "-o", user, "-g", group, data], check=True)
    given = dict(each.split("=", 1) for each in unit.get("Environment", []))
    address = f"\0{path.name}-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(READY_SECONDS)
        given["NOTIFY_SOCKET"] = address.replace("\0", "@")
        LOGS.mkdir(exist_ok=True)
        with (LOGS / name).open("ab") as log:
            for line in unit.get("ExecStartPre", []):
                subprocess.run(
                    _as(line, unit, data, user), env={**os.environ, **given}, check=True, stdout=log, stderr=log
                )
            process = subprocess.Popen(
                _as(unit["ExecStart"][0], unit, data, user),
                env={**os.environ, **given},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if unit["Type"] == ["notify"]:
            while b"READY=1" not in manager.recv(4096):
                pass
        elif process.poll() is not None:
            sys.exit(f"{name} has ended: {(LOGS / name).read_text()}")


def _as(line: str, unit: dict[str, list[str]], data: Path, user: str) -> list[str]:
    """A command as the unit has it run: by its user, with nothing to write but the data (ProtectSystem=strict)."""
    shell = (
        f"mount --bind {data} {data} && mount -o remount,bind,ro / && mount -t tmpfs tmpfs /tmp && "
        f"cd {unit['WorkingDirectory'][0]} && umask {unit['UMask'][0]} && "
        f"exec setpriv --reuid={user} --regid={unit['Group'][0]} --init-groups --no-new-privs --bounding-set=-all "
        f"--inh-caps=-all {shlex.join(shlex.split(line))}"
    )
    return ["unshare", "--mount", "bash", "-ec", shell]


main()
