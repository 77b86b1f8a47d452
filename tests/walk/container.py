"""The image of deploy/container, made and run without an engine: its steps in a fresh root, then confined."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from tests.walk.containerfile import CONTAINERFILE, REPOSITORY, Stage, stages
from tests.walk.roots import SUITES, confined, environment, make_root, run_inside

URL = "http://127.0.0.1:8000"
START_SECONDS = 90.0
STOP_SECONDS = 90.0
DATA = os.urandom(3_000_000)


def run_container(root: Path) -> float:
    """Build it and run it; tell how many seconds that took. Ends the program where something is not as it should be."""
    make_root(root, SUITES[0], "minbase", "python3", "python3-venv", "ca-certificates")
    began = time.monotonic()
    build, final = stages(CONTAINERFILE.read_text())
    _build(root, build)
    _build(root, final)
    volume = root.parent / "volume"
    shutil.copytree(root / final.last("WORKDIR").lstrip("/"), volume)
    user = int(final.last("USER").partition(":")[0])
    root.parent.chmod(0o755)
    os.chown(volume, user, user)
    _serve(root, final, volume, user)
    return time.monotonic() - began


def _build(root: Path, stage: Stage) -> None:
    """Take the steps of a stage. Both are made in one root, so what one has of the other is there already."""
    folder, values = "/", {name: value for name, _, value in (each.partition("=") for each in stage.values("ARG"))}
    for word, value in stage.instructions:
        if word == "WORKDIR":
            folder = value
            (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "COPY" and not value.startswith("--from="):
            *sources, target = value.split()
            for pattern in sources:
                _copy(pattern, root / folder.lstrip("/") / target)
        elif word == "RUN":
            settings = [f"{name}={text}" for name, text in values.items()]
            run_inside(root, "env", "-C", folder, *settings, "sh", "-ec", value)


def _copy(pattern: str, target: Path) -> None:
    found = sorted(REPOSITORY.glob(pattern))
    assert found, f"COPY {pattern}: there is no such file"
    for path in found:
        if path.is_dir():
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def _serve(root: Path, stage: Stage, volume: Path, user: int) -> None:
    place = (volume, stage.last("WORKDIR"))
    told = {**environment(), **stage.pairs("ENV")}

    def command(words: list[str]) -> list[str]:
        return confined(root, words, user=user, volume=place)

    log = root.parent / "container.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command(stage.program()), env=told, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while subprocess.run(command(stage.health_check()), env=told, capture_output=True, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"It does not get well: {log.read_text()}")
            time.sleep(1)
        print("the health check is green", flush=True)
        _use(log)
        for words in (["accounts", "list"], ["cleanup", "--json"], ["verify"]):
            subprocess.run(command(["transfer-service", *words]), env=told, check=True, stdout=sys.stderr)
        tried = subprocess.run(command(["touch", "/opt/transfer/new"]), env=told, capture_output=True, check=False)
        assert tried.returncode != 0, "the root can be written"
        _stop(process)
    finally:
        process.kill()
        process.wait()
    print("it stops in order", flush=True)


def _use(log: Path) -> None:
    """Send a file and get it back."""
    (password,) = re.findall(r"^Account admin created, password: (\S+)$", log.read_text(), re.MULTILINE)
    token = requests.post(f"{URL}/auth/token", json={"username": "admin", "password": password}, timeout=30).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    sent = requests.post(f"{URL}/api/files?filename=a.bin", data=DATA, headers=headers, timeout=30)
    got = requests.get(f"{URL}/download/a.bin", headers=headers, timeout=30)
    assert (sent.status_code, got.content == DATA) == (201, True), sent.text
    print("a file comes back as it was sent", flush=True)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """As an engine stops it: a signal for the first process of the container, which bwrap has begun."""
    (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(first), signal.SIGTERM)
    assert process.wait(timeout=STOP_SECONDS) == 0, "it ends with an error"
