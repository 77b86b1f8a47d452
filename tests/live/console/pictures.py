"""`scripts/pictures`: the console as it is, on a screen and on a phone, in docs/pictures."""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import select

from tests.conftest import PASSWORD
from tests.live.chromium import PROGRAM
from tests.live.console.conftest import AS_USUAL, FLAGS, PATIENCE_MILLISECONDS, sign_in
from tests.live.console.sample import Furnished, furnish
from tests.live.console.steps import MEBIBYTE, act, bar, choose, hurry, link_to, made
from tests.live.download_worker import working
from tests.live.server import REPOSITORY, LiveServer, wait_until
from transfer_service.models.files import File

FOLDER = REPOSITORY / "docs" / "pictures"
OWNER, FRIEND, ADMIN = "mara", "jonas", "anna"
MOST_BYTES = 250_000
SCREEN = {"width": 1280, "height": 800}
PHONE = {"viewport": {"width": 390, "height": 800}, "device_scale_factor": 2}


@dataclass(frozen=True)
class Picture:
    """What is to be seen on one: an address, and what is done before the picture is made."""

    name: str
    address: str
    before: Callable[[Page], None] = lambda _: None
    account: str | None = OWNER
    is_phone: bool = False
    scheme: str = "light"


def pictures(found: Furnished, folder: Path) -> list[Picture]:
    """All of them."""
    return [
        Picture("phone", "/", is_phone=True, scheme="dark"),
        Picture("sign-in", "/", account=None),
        Picture("preview", "/", lambda page: _open(page, "harbour-at-dawn.jpg")),
        Picture("share", "/", lambda page: act(page, "Crane lift.webm", "Share")),
        Picture("links", "/console/links"),
        Picture("chat", f"/console/chat/{found.conversation}"),
        Picture("games", "/console/games"),
        Picture("account", "/console/account"),
        Picture("trash", "/console/trash"),
        Picture("admin", "/console/admin/usage", account=ADMIN),
        Picture("files", "/", lambda page: _send(page, folder)),  # leaves an upload behind
    ]


def _send(page: Page, folder: Path) -> None:
    """An upload on its way."""
    hurry(page, 2 * MEBIBYTE)
    choose(page, made(folder, "Quay panorama.tif", 30 * MEBIBYTE))
    expect(bar(page, "Quay panorama.tif")).to_be_visible()
    page.wait_for_timeout(6000)


def _open(page: Page, name: str) -> None:
    link_to(page, name).click()
    expect(page.get_by_role("dialog").locator("img").first).to_be_visible()
    page.wait_for_load_state("networkidle")


def main() -> None:
    """Make those that are named, or all."""
    parser = argparse.ArgumentParser(prog="scripts/pictures", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they go")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="pictures-") as scratch,
        _service(Path(scratch)) as (server, found),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        for picture in pictures(found, Path(scratch)):
            if not arguments.names or picture.name in arguments.names:
                _make(browser, server, picture, arguments.folder / f"{picture.name}.png")
        browser.close()


@contextmanager
def _service(scratch: Path) -> Iterator[tuple[LiveServer, Furnished]]:
    """A service that has been used for a while, with the worker that makes previews."""
    server = LiveServer(scratch / "data", {"TRANSFER_TRASH_DAYS": "30", "TRANSFER_QUOTA_BYTES": "200MiB"})
    server.prepare(OWNER, FRIEND)
    with server.services() as services:
        services.accounts.create(ADMIN, PASSWORD, is_admin=True)
    server.start()
    try:
        with working(server.data_dir):
            found = furnish(server, owner=OWNER, friend=FRIEND, admin=ADMIN)
            allowed, url = {"permissions": ["games.download"]}, f"{server.url}/api/admin/accounts/{OWNER}"
            assert server.sign_in(ADMIN).patch(url, json=allowed, timeout=30).ok
            wait_until(lambda: _has_previews(server), seconds=60)
            _age(server)
            yield server, found
    finally:
        server.stop()


def _has_previews(server: LiveServer) -> bool:
    person = server.sign_in(OWNER)
    listed = person.get(f"{server.url}/api/files", params={"search": "jpg"}, timeout=30).json()["files"]
    facts = [person.get(f"{server.url}/api/files/{each['file_id']}", timeout=30).json() for each in listed]
    return all(each["width"] for each in facts)


def _age(server: LiveServer) -> None:
    """Let what there is have come over some weeks, the newest one first in the list still."""
    with server.services() as services, services.database.write() as session:
        for number, file in enumerate(session.scalars(select(File).order_by(File.created_at.desc()))):
            file.created_at -= timedelta(hours=3 + 19 * number)
            file.updated_at = file.created_at + timedelta(minutes=number)


def _make(browser: Browser, server: LiveServer, picture: Picture, path: Path) -> None:
    size = PHONE if picture.is_phone else {"viewport": SCREEN}
    options = {**AS_USUAL, **size, "color_scheme": picture.scheme}
    context = browser.new_context(base_url=server.url, **options)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    if picture.account is not None:
        sign_in(context, picture.account)
    page = context.new_page()
    page.goto(picture.address)
    expect(page.get_by_role("main")).to_be_visible()
    page.wait_for_load_state("networkidle")
    picture.before(page)
    page.wait_for_timeout(500)
    _write(page.screenshot(), path)
    context.close()


def _write(png: bytes, path: Path) -> None:
    """With as many colours as a palette has: a picture of a page needs no more."""
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB", flush=True)
    assert path.stat().st_size <= MOST_BYTES, path


if __name__ == "__main__":
    main()
