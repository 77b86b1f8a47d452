"""What a default installation does not use is not loaded, and what a setting needs is missed at the start, by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.prepared import migrate

REPOSITORY = Path(__file__).parents[1]
UNUSED = (
    "PIL", "aiohttp", "alembic", "authlib", "av", "babel", "blurhash", "boto3", "botocore", "cryptography",
    "gevent.pywsgi", "numpy", "opentelemetry", "pillow_heif", "prometheus_client", "psycopg", "redis", "requests",
    "rich",
)  # fmt: skip
SERVICE = """
from transfer_service.serve import app
from transfer_service.app import begin_serving
begin_serving(app)
assert app.test_client().get("/readyz").status_code == 200
"""
WORKER = """
from config import load_settings
from transfer_service.bootstrap import build_services
from transfer_service.worker import build_worker
services = build_services(load_settings())
services.gate.enter()
build_worker(load_settings(), services)
assert "flask" not in sys.modules
"""
TELL = f"print(*(name for name in {UNUSED} if name in sys.modules), 'end')"
PROGRAMS = {
    "command": ["-m", "flask", "--app", "wsgi", "accounts", "list"],
    "gunicorn": ["-m", "gunicorn"],
    "serve": ["-m", "gevent.monkey", "--module", "transfer_service.serve"],
    "worker": ["-m", "gevent.monkey", "--module", "transfer_service.worker"],
}
SETTINGS = {
    "redis": ("TRANSFER_REDIS_URL", "redis://127.0.0.1:1/0", "requirements-redis.txt"),
    "authlib": ("TRANSFER_OIDC_ISSUER", "https://login.example.com", "requirements-oidc.txt"),
    "boto3": ("TRANSFER_STORAGE_URL", "s3://bucket/prefix", "requirements-s3.txt"),
    "psycopg": ("TRANSFER_DATABASE_URL", "postgresql://127.0.0.1:1/none", "requirements-postgresql.txt"),
}


def run(folder: Path, arguments: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
    own = {"TRANSFER_DATA_DIR": str(folder / "data"), "TRANSFER_BIND": "127.0.0.1:0", **settings}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY, env={**clean, **own}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("program", [SERVICE, WORKER], ids=["service", "worker"])
def test_the_default_loads_no_driver_and_nothing_that_waits_for_its_use(tmp_path: Path, program: str) -> None:
    (tmp_path / "data").mkdir()
    migrate(f"sqlite:///{tmp_path / 'data' / 'transfer.sqlite3'}")
    result = run(tmp_path, ["-c", f"from gevent import monkey; monkey.patch_all(); import sys\n{program}\n{TELL}"])
    assert (result.stdout.splitlines()[-1:], result.stderr) == (["end"], "")


def test_the_worker_does_not_load_what_people_sign_in_by(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    migrate(f"sqlite:///{tmp_path / 'data' / 'transfer.sqlite3'}")
    program = f"from gevent import monkey; monkey.patch_all(); import sys\n{WORKER}\nprint('joserfc' in sys.modules)"
    settings = {f"TRANSFER_OIDC_{name}": "http://127.0.0.1:1" for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET")}
    assert run(tmp_path, ["-c", program], **settings).stdout.splitlines()[-1:] == ["False"]


@pytest.mark.parametrize("previews", ["true", "false"])
def test_without_the_packages_of_previews_the_log_says_so_once(tmp_path: Path, previews: str) -> None:
    (tmp_path / "data").mkdir()
    migrate(f"sqlite:///{tmp_path / 'data' / 'transfer.sqlite3'}")
    program = f"from gevent import monkey; monkey.patch_all(); import sys; sys.modules['av'] = None\n{SERVICE}"
    program += "from transfer_service.web.context import services_of; print(services_of(app).core.makes_previews)"
    result = run(tmp_path, ["-c", program], TRANSFER_PREVIEWS=previews)
    lines = result.stdout.splitlines()
    assert (lines[-1], sum("no_previews" in line for line in lines)) == ("False", previews == "true")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("database", ["sqlite:///data/a.sqlite3", "postgresql://127.0.0.1:1/none"])
def test_nothing_runs_in_what_others_are_forked_from(tmp_path: Path, database: str) -> None:
    lines = (
        "from gevent import monkey; monkey.patch_all()",
        "import threading, transfer_service.serve",
        "from gevent._hub_local import get_hub_if_exists",
        "print(get_hub_if_exists(), threading.active_count(), transfer_service.serve.app.name)",
    )
    result = run(tmp_path, ["-c", "; ".join(lines)], TRANSFER_DATABASE_URL=database.replace("data", f"{tmp_path}/data"))
    assert (result.stdout, result.stderr) == ("None 1 transfer_service\n", "")


@pytest.mark.parametrize("package", SETTINGS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_setting_whose_driver_is_missing_stops_every_program_by_name(
    tmp_path: Path, program: str, package: str
) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError")
    name, value, requirements = SETTINGS[package]
    extra = f"transfer-service[{requirements.removeprefix('requirements-').removesuffix('.txt')}]"
    path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    result = run(tmp_path, PROGRAMS[program], **{name: value, "PYTHONPATH": path})
    assert result.returncode != 0
    assert result.stderr == f"Wrong settings:\n{name}: Value error, needs the packages of {requirements}, or {extra}\n"
