"""The units of deploy/systemd: valid, locked up, in step with the nginx site, the cron file and docs/production.md."""

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config import Settings
from tests.live.server import REPOSITORY, LiveServer, running, wait_until
from tests.missing import missing

pytestmark = pytest.mark.one_machine("units are of one machine")

UNITS = REPOSITORY / "deploy/systemd"
INSTANCE, WORKER, CLEANUP = "transfer@.service", "transfer-worker.service", "transfer-cleanup.service"
BACKUP = "transfer-backup.service"
SERVICES = [INSTANCE, WORKER, CLEANUP, BACKUP]
PYTHON = "/opt/transfer-service/.venv/bin/python"
HIGHEST_EXPOSURE = 20  # in tenths, of systemd-analyze's ten points

Unit = dict[str, list[str]]


def read(name: str) -> Unit:
    """The values of every key; keys may repeat."""
    unit: Unit = {}
    for line in (UNITS / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            unit.setdefault(key, []).append(value)
    return unit


def commands(name: str) -> list[list[str]]:
    """What the unit runs, without the lock in front."""
    unit = read(name)
    lines = [shlex.split(line) for line in unit.get("ExecStartPre", []) + unit["ExecStart"]]
    return [words[words.index(PYTHON) :] for words in lines]


def first_match(pattern: str, path: str) -> str:
    found = re.search(pattern, (REPOSITORY / path).read_text(), re.MULTILINE)
    assert found, f"{path} lost its {pattern}"
    return found[1]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as for this machine: with our Python, and the template as its first instance."""
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed")
    for path in UNITS.iterdir():
        text = path.read_text().replace(PYTHON, sys.executable)
        (tmp_path / path.name.replace("@.", "@1.")).write_text(text)
    return tmp_path


def analyze(*arguments: str | Path) -> str:
    """Run systemd-analyze and give what it says."""
    result = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stderr


def test_systemd_takes_every_unit_without_a_word(installed: Path) -> None:
    complaints = analyze("verify", "--man=no", *sorted(installed.iterdir()))
    assert "transfer" not in complaints


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_is_locked_up(installed: Path, name: str) -> None:
    path = installed / name.replace("@.", "@1.")
    analyze("security", "--offline=yes", f"--threshold={HIGHEST_EXPOSURE}", "--no-pager", path)


def test_all_units_are_locked_up_alike() -> None:
    blocks = {(UNITS / name).read_text().partition("\nUMask=")[2].partition("\n\n")[0].strip() for name in SERVICES}
    users = {(read(name)["User"][0], read(name)["Group"][0], read(name)["WorkingDirectory"][0]) for name in SERVICES}
    assert (len(blocks), users) == (1, {("transfer", "transfer", "/opt/transfer-service")})


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_unit_runs_exists(data_dir: Path, name: str) -> None:
    server = LiveServer(data_dir)
    for words in commands(name):
        if words[1:] == ["-m", "gunicorn"]:
            continue
        assert words[1:5] == ["-m", "flask", "--app", "wsgi"]
        assert server.command(*words[5:], "--help")


def test_instances_that_start_together_migrate_one_after_the_other(data_dir: Path) -> None:
    data_dir.mkdir()
    (line,) = read(INSTANCE)["ExecStartPre"]
    command = line.replace(PYTHON, sys.executable).replace("/var/lib/transfer", str(data_dir))
    environment = LiveServer(data_dir)._environment()
    starts = [
        subprocess.Popen(shlex.split(command), cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [start.communicate(timeout=60)[0] for start in starts]
    assert ([start.returncode for start in starts], said) == ([0, 0], [b"Database is up to date\n"] * 2)


def test_the_worker_runs_as_its_unit_says_and_stops_in_time(data_dir: Path) -> None:
    server, unit = LiveServer(data_dir), read(WORKER)
    server.prepare()
    command = shlex.split(unit["ExecStart"][0].replace(PYTHON, sys.executable))
    with (data_dir / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=server._environment(), stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or catches(process.pid, signal.SIGTERM), seconds=60)
        process.terminate()  # what systemd does first
        status = process.wait(timeout=float(unit["TimeoutStopSec"][0]) / 3)
    finally:
        process.kill()
        process.wait()
    said = [json.loads(line)["event"] for line in (data_dir / "worker.log").read_text().splitlines()]
    assert (status, said) == (0, ["worker_started", "worker_stopped"])


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal (proc(5), SigCgt)."""
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def test_the_pages_enable_every_unit_that_is_shipped() -> None:
    enabled = first_match(r"^systemctl enable (transfer.target .+)$", "docs/production.md").split()
    enabled += first_match(r"systemctl enable --now (transfer-backup\S+)", "docs/backup.md").split()
    shipped = {path.name for path in UNITS.iterdir()} - {CLEANUP, BACKUP}  # timers start them
    names = {name if "." in name else f"{name}.service" for name in enabled}
    assert {re.sub("@1", "@", name) for name in names} == shipped


def test_systemd_is_told_when_an_instance_is_ready(data_dir: Path) -> None:
    address = f"transfer-{data_dir}"[-100:]  # abstract: a path might be too long
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address)
        with running(data_dir, NOTIFY_SOCKET="@" + address):
            manager.settimeout(5)
            assert b"READY=1" in manager.recv(4096)
    assert read(INSTANCE)["Type"] == ["notify"]


def test_a_stop_waits_for_transfers_and_a_start_for_the_migration() -> None:
    grace = int(first_match(r"^graceful_timeout = (\d+)", "gunicorn.conf.py"))
    connections = int(first_match(r"^worker_connections = ([\d_]+)", "gunicorn.conf.py"))
    unit = read(INSTANCE)
    assert int(unit["TimeoutStopSec"][0]) >= grace + 10
    assert int(unit["LimitNOFILE"][0]) > 4 * connections
    assert (unit["TimeoutStartSec"], unit["KillMode"]) == (["infinity"], ["mixed"])


def test_stopping_the_target_waits_for_everything_in_it() -> None:
    for name in (INSTANCE, WORKER):
        unit = read(name)
        assert (unit["PartOf"], unit["WantedBy"]) == (["transfer.target"], ["transfer.target"])
        assert "transfer.target" in unit["After"][0].split()


def test_nginx_asks_the_first_instance_and_reads_its_files() -> None:
    (bind,) = read(INSTANCE)["Environment"]
    upstream = first_match(r"^ +server (127\.0\.0\.1:\d+)", "deploy/nginx/transfer.conf")
    data = first_match(r"^ +set \$transfer_data +(\S+);", "deploy/nginx/transfer.conf")
    assert bind.replace("%i", "1") == f"TRANSFER_BIND={upstream}"
    assert data == f"/var/lib/{read(INSTANCE)['StateDirectory'][0]}"


@pytest.mark.parametrize("name", [CLEANUP, BACKUP])
def test_cron_runs_what_the_timer_runs(name: str) -> None:
    job = (REPOSITORY / "deploy/cron" / name.removesuffix(".service")).read_text().splitlines()[-1]
    user, command = job.split(maxsplit=6)[5:]
    unit = read(name)
    folder = unit["WorkingDirectory"][0]
    assert user == unit["User"][0]
    assert command.partition(" | ")[0] == f"cd {folder} && " + unit["ExecStart"][0].removeprefix(f"{folder}/")


def test_the_settings_of_the_page_about_production_fit_units_and_site(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(first_match(r"^cat > \.env <<END\n((?:.*\n)+?)END$", "docs/production.md"))
    settings = Settings(_env_file=tmp_path / ".env")  # type: ignore[call-arg] # pydantic-settings' own argument
    assert settings.blob_dir == Path("/var/lib/transfer/blobs")
    assert (settings.accel, settings.trusted_proxies) == ("nginx", 1)
