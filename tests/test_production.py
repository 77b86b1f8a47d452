"""docs/production.md: its steps are those that `scripts/walk` takes, and name what there is."""

import re
import subprocess
from pathlib import Path

import click
import pytest
from pydantic import SecretStr

from config import Settings
from tests.conftest import SECRET
from tests.walk.steps import CLONED_FROM, PAGE, REPOSITORY, Step, script, steps
from transfer_service.app import create_app
from transfer_service.cli.read_only import commands_of


@pytest.fixture(scope="module")
def found() -> list[Step]:
    return steps(PAGE.read_text())


def test_every_block_of_a_numbered_section_is_walked_in_order(found: list[Step]) -> None:
    text = PAGE.read_text()
    walked = script(found, CLONED_FROM)
    numbered = text[: text.index("\n## A certificate")]
    lines = [
        line for block in re.findall(r"^```.*\n((?:.*\n)*?)```$", numbered, re.MULTILINE) for line in block.splitlines()
    ]
    assert [line for line in walked.splitlines()[1:-1] if not line.startswith("echo '@@@'")] == lines
    assert [step.title.partition(".")[0] for step in found] == ["1", "2", "3", "4", "5"]


def test_the_steps_are_shell(found: list[Step]) -> None:
    checked = subprocess.run(
        ["bash", "-n"], input=script(found, "/srv/repository"), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_what_they_copy_and_run_is_there(found: list[Step], tmp_path: Path) -> None:
    shell = script(found, "/srv/repository")
    named = set(re.findall(r"\b(deploy/[\w./*-]+|requirements[\w-]*\.txt)", shell))
    assert {"deploy/systemd/*", "deploy/nginx/transfer", "deploy/nginx/transfer.conf", "requirements.txt"} <= named
    assert [name for name in named if not list(REPOSITORY.glob(name))] == []
    app = create_app(Settings(_env_file=None, data_dir=tmp_path, secret_key=SecretStr(SECRET)))  # type: ignore[call-arg]
    called = set(re.findall(r"flask --app wsgi ((?:accounts )?[\w-]+)", shell))
    known = {words for name, command in app.cli.commands.items() for words in _words(name, command)}
    assert (called - known, len(called) > 2) == (set(), True)


def _words(name: str, command: click.Command) -> list[str]:
    return [f"{name} {words}" for words, _ in commands_of(command)] if isinstance(command, click.Group) else [name]


def test_the_cron_file_of_the_backup_does_what_the_step_does(found: list[Step]) -> None:
    backup = next(step.shell for step in found if "Backup" in step.title)
    job = (REPOSITORY / "deploy/cron/transfer-backup").read_text().splitlines()[-1]
    user, command = job.split(maxsplit=6)[5:]
    by_hand = re.findall(rf"^runuser -u {user} -- (\S.*)$", backup, re.MULTILINE)
    assert command.partition(" | ")[0] == f"cd /opt/transfer-service && {by_hand[0]}"
