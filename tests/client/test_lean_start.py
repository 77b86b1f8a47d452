"""What a start of the command does not load, so that help and a look take no longer than they have to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "client"
LOOK = """
import json, sys
sys.path.insert(0, {client!r})
{code}
print(json.dumps(sorted(sys.modules)))
"""
RUN = "from transfer_service_client.cli.main import run; run({words!r})"
NETWORK = {"httpx", "ssl", "http.client", "urllib.request", "asyncio"}
SELDOM = {"boto3", "botocore", "sqlite3", "rich", "pygments", "click", "markdown_it"}
OURS = {f"transfer_service_client.{name}" for name in ("client", "connection.session", "importers")}


def loaded(code: str) -> set[str]:
    """The modules that a Python has that has done nothing but this."""
    look = LOOK.format(client=str(CLIENT), code=code)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # it loads its own
    command = [sys.executable, "-P", "-c", look]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(names)


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["put", "--help"], ["import", "--help"], ["--show-completion", "bash"]],
    ids=" ".join,
)
def test_help_loads_no_network(words: list[str]) -> None:
    assert loaded(RUN.format(words=words)) & (NETWORK | SELDOM | OURS) == set()


def test_the_library_loads_what_is_used() -> None:
    assert loaded("import transfer_service_client") & (NETWORK | SELDOM | OURS | {"typer"}) == set()
    assert loaded("from transfer_service_client import ApiError, Tokens") & (NETWORK | SELDOM | OURS) == set()
    assert "transfer_service_client.connection.session" in loaded("from transfer_service_client import TransferClient")


def test_a_look_at_what_is_there_loads_no_importer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    names = loaded(RUN.format(words=["ls"]))
    assert names & {"boto3", "botocore", "transfer_service_client.importers.s3"} == set()
    assert "transfer_service_client.cli.bars" not in names


def test_every_name_of_the_library_is_there() -> None:
    found = loaded("import transfer_service_client as t; assert all(getattr(t, name) for name in [*t.__all__])")
    assert "transfer_service_client.folders.syncing" in found
