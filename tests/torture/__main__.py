"""python -m tests.torture power|kill|backup|folders|growing|previews|proofs|webhooks: what scripts/torture runs."""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import structlog

from tests import proofs
from tests.growing import torture as growing
from tests.torture import backup, commits, folders, kill, power, previews, webhooks
from tests.torture.stories import LEVELS


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/torture", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    cuts = commands.add_parser("power", help="judge the disk as power losses leave it, at every level of durability")
    cuts.add_argument("--images", type=int, default=500)
    kills = commands.add_parser("kill", help="kill -9 the service and its worker in the middle of everything")
    kills.add_argument("--cycles", type=int, default=100)
    names = commands.add_parser("folders", help="race for names in two processes, and compare histories with a model")
    names.add_argument("--histories", type=int, default=1000, help="races on each database")
    names.add_argument("--steps", type=int, default=100_000, help="against the model")
    machines = commands.add_parser(
        "growing", help="kill, freeze and cut off instances that share engines, against a model"
    )
    machines.add_argument("--histories", type=int, default=1000, help="lives of files")
    machines.add_argument("--first", type=int, default=0, help="the number of the first one")
    pictures = commands.add_parser(
        "previews", help="mutated pictures and films through the process that makes previews"
    )
    pictures.add_argument("--files", type=int, default=10_000)
    backups = commands.add_parser("backup", help="back up under load, kill service, backup and restore; judge each")
    backups.add_argument("--cycles", type=int, default=40, help="on SQLite and a folder, and half as many when grown")
    told = commands.add_parser("webhooks", help="kill -9 the service and its workers while webhooks are told of files")
    told.add_argument("--kills", type=int, default=100, help="half of them on each database")
    commands.add_parser("proofs", help="run the tests whole of which scripts/test runs samples")
    for command in (cuts, kills):
        command.add_argument("--level", choices=LEVELS, help="only this one, of TRANSFER_DURABILITY")
    for command in (cuts, kills, names, machines, pictures, backups, told):
        command.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is unmounted
    if arguments.command == "proofs":
        sys.exit(proofs.run_all())
    began = time.monotonic()
    if arguments.command == "folders":
        faults = folders.torture(arguments.histories, arguments.steps, arguments.seed, _say)
        _end(faults, f"{arguments.histories} races", began, arguments.seed)
    if arguments.command == "previews":
        faults = previews.torture(arguments.files, arguments.seed, _say)
        _end(faults, f"{arguments.files} files", began, arguments.seed)
    if arguments.command == "backup":
        faults = backup.torture(arguments.cycles, arguments.seed, _say, grown=False)
        faults += backup.torture(arguments.cycles // 2, arguments.seed, _say, grown=True)
        _end(faults, f"{arguments.cycles} cycles", began, arguments.seed)
    if arguments.command == "webhooks":
        faults = webhooks.torture_both(arguments.kills, arguments.seed, _say)
        _end(faults, f"{arguments.kills} kills", began, arguments.seed)
    if arguments.command == "growing":
        faults = growing.torture(arguments.histories, arguments.seed, _say, first=arguments.first)
        _end(faults, f"{arguments.histories} histories", began, arguments.seed)
    levels = [arguments.level] if arguments.level else LEVELS
    if arguments.command == "power":
        faults, what = (
            power.torture(arguments.images, arguments.seed, _say, levels=levels),
            f"{arguments.images} images",
        )
        faults += _commits(arguments.images, arguments.seed)
    else:
        faults, what = kill.torture(arguments.cycles, arguments.seed, _say, levels=levels), f"{arguments.cycles} cycles"
    _end(faults, what, began, arguments.seed)


def _end(faults: Sequence[str], what: str, began: float, seed: int) -> NoReturn:
    _say(f"{len(faults)} faults, {what}, {time.monotonic() - began:.0f} s, --seed {seed}")
    sys.exit(bool(faults))


def _commits(images: int, seed: int) -> list[str]:
    """A tenth of so many images more, of durable commits alone."""
    with tempfile.TemporaryDirectory(prefix="transfer-power-") as folder:
        faults, told = commits.torture(Path(folder), images=max(9, images // 10), seconds=3, seed=seed)
    _say(f"durable commits: {len(told)} told, {len(faults)} faults")
    for fault in faults:
        _say(f"  {fault}")
    return faults


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
