"""A newcomer's way: two commands, `git clone` and `scripts/serve`, and three clicks until a film is there and plays."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.live.chromium import PROGRAM
from tests.live.console.conftest import FLAGS, PATIENCE_MILLISECONDS
from tests.live.console.main_flow import PLAYS
from tests.live.console.sample import MEBIBYTE, movie
from tests.live.console.steps import bar, choose, link_to, sign_in_by_form
from tests.live.server import REPOSITORY, wait_until
from tests.ports import free_port

FILM_BYTES = 100 * MEBIBYTE
INSTALL_SECONDS, STOP_SECONDS = 900.0, 60.0
GREETING = re.compile(r"password: (\S+)")


def walk_newcomer(folder: Path) -> float:
    """Go the way in an empty folder, say how long each step took, and give the seconds of all of them."""
    film = folder / "holiday.webm"
    film.write_bytes(movie(FILM_BYTES))
    began = time.monotonic()
    done = _Clock()
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder / "clone")], check=True)
    done("git clone")
    with _serving(folder) as (url, password):
        done("scripts/serve: environment, database, account, first answer")
        _click(url, password, film, done)
    return time.monotonic() - began


class _Clock:
    """Says how long it is since it was last asked."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, step: str) -> None:
        now = time.monotonic()
        print(f"{now - self._last:7.1f} s  {step}", flush=True)
        self._last = now


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, str]]:
    """Its address and the password that it has printed."""
    address = f"127.0.0.1:{free_port()}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_")}
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["scripts/serve"], cwd=folder / "clone", env={**clean, "TRANSFER_BIND": address},
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or _is_ready(log), seconds=INSTALL_SECONDS)
        found = GREETING.search(log.read_text())
        assert found is not None, log.read_text()
        yield f"http://{address}/", found[1]
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(STOP_SECONDS)


def _is_ready(log: Path) -> bool:
    text = log.read_text()
    return GREETING.search(text) is not None and "Listening at" in text


def _click(url: str, password: str, film: Path, done: _Clock) -> None:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        page = browser.new_page(locale="en-US")
        page.goto(url)
        done("the browser and its first page")
        sign_in_by_form(page, "admin", password)
        done("click 1, Sign in")
        choose(page, film)
        expect(link_to(page, film.name)).to_be_visible()
        expect(bar(page, film.name)).to_have_count(0)
        done(f"click 2, Upload files: {FILM_BYTES // MEBIBYTE} MiB are there")
        link_to(page, film.name).click()
        assert page.locator("video").evaluate(PLAYS) == 1
        done("click 3, the film's name: it plays")
        browser.close()
