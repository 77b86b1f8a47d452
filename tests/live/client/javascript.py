"""The JavaScript client as an app has it: installed as a package beside what it needs, and led by a test."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import PASSWORD
from tests.live import node
from tests.live.server import REPOSITORY

PACKAGE = REPOSITORY / "client/javascript"
NAME = "transfer-service-client"
BEGINNING = """
import * as everything from "transfer-service-client";
process.chdir(import.meta.dirname);
const given = JSON.parse(process.argv[2]);
const print = (event, data) => process.stdout.write(JSON.stringify([event, data ?? null]) + "\\n");
const failure = (promise) => promise.then(() => null, (error) => [error.name, error.message]);
process.stdin.on("end", () => process.exit()).resume();
"""
QUICK = """
const { setTimeout: later } = globalThis;
globalThis.setTimeout = (act, ms, ...more) => later(act, ms === 90_000 ? 700 : ms, ...more);
"""
"""A line counts as silent soon. To be put in front of what an app does."""


def install(folder: Path) -> None:
    """Put the package, with what npm would take of it, into the folder's `node_modules`, and what it may import."""
    node.install()
    modules = folder / "node_modules"
    modules.mkdir(parents=True)
    for each in [*(node.FOLDER / "node_modules").iterdir(), node.FOLDER / "node_modules/.installed"]:
        if each.name != ".bin" and not (modules / each.name).exists():
            (modules / each.name).symlink_to(each)
    package = json.loads((PACKAGE / "package.json").read_text())
    (modules / NAME).mkdir()
    for path in [PACKAGE / "package.json", *(path for each in package["files"] for path in PACKAGE.glob(each))]:
        shutil.copy(path, modules / NAME)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(node.FOLDER / name, folder)


class App(node.Program):
    """A running app."""

    fatal = "fatal"


@contextmanager
def app(folder: Path, code: str, *, before: str = "", **given: Any) -> Iterator[App]:
    """An app of a folder with the package, which `given` is told to; `before` are imports of its own."""
    (folder / "app.mjs").write_text(
        before + BEGINNING + "const main = async () => { const { TransferClient } = everything;\n" + code + "};\n"
        'main().catch((error) => print("fatal", `${error.stack}\\n${error.cause?.stack}`));\n'
    )
    running = App("app.mjs", {"password": PASSWORD, **given}, folder=folder)
    try:
        yield running
    finally:
        running.close()


def run(folder: Path, code: str, **given: Any) -> Any:
    """What an app says it is `done` with."""
    with app(folder, code, **given) as running:
        return running.wait("done")
