"""What everybody does first, in whichever browser: send a film, look at it, give it to somebody, and leave."""

import hashlib
import re
from pathlib import Path

import requests
from playwright.sync_api import Locator, Page, expect

from tests.live.console.steps import act, bar, choose, digest, link_to, sign_in_by_form
from tests.live.server import wait_until

LINK = re.compile(r"https?://[^\s\"'<>]+/s/[\w-]{22,}")
PLAYS = """video => video.play().then(() => new Promise((done) => {
  video.ontimeupdate = () => video.currentTime > 0.3 && done(1);
}))"""


def main_flow(page: Page, film: Path) -> None:
    """From the form to the button `Sign out`; the page shows the form at first."""
    sign_in_by_form(page, "alice")
    choose(page, film)
    expect(link_to(page, film.name)).to_be_visible()
    expect(bar(page, film.name)).to_have_count(0)
    link_to(page, film.name).click()
    video = page.locator("video")
    expect(video).to_be_visible()
    assert video.evaluate(PLAYS) == 1
    page.keyboard.press("Escape")
    expect(video).to_have_count(0)
    address = share(page, film.name)
    assert sum_of_download(address) == {digest(film)}
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_label("Password", exact=True)).to_be_visible()


def share(page: Page, name: str) -> str:
    """Make a link by the menu of a file and give its address; the dialog is closed afterwards."""
    act(page, name, "Share")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=re.compile("create|make", re.IGNORECASE)).click()
    wait_until(lambda: _address_in(dialog) is not None)
    address = _address_in(dialog)
    assert address is not None
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    return address


def _address_in(dialog: Locator) -> str | None:
    values: list[str] = dialog.locator("input").evaluate_all("all => all.map(each => each.value)")
    found = LINK.search(" ".join([dialog.inner_text(), *values]))
    return found[0] if found else None


def sum_of_download(address: str) -> set[str]:
    """The SHA-256 of what somebody without an account gets from a link."""
    files = requests.get(address, headers={"Accept": "application/json"}, timeout=30).json()["files"]
    with requests.Session() as session:
        session.trust_env = False
        origin = "/".join(address.split("/")[:3])
        answers = [session.get(requests.compat.urljoin(origin, each["url"]), timeout=60) for each in files]
    assert [each.status_code for each in answers] == [200] * len(files)
    return {hashlib.sha256(each.content).hexdigest() for each in answers}
