"""Sending files by the console: what is chosen arrives, byte for byte, can be seen, and can be stopped."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.live.chunks import send_chunk
from tests.live.console.judging import PHONE, at_width, axe, sideways
from tests.live.console.sending import SLOW, Line, arrived, expect_bar, under_way, wait_for, wait_for_bytes
from tests.live.console.steps import MEBIBYTE, choose, digest, made
from tests.live.server import LiveServer, wait_until

pytestmark = pytest.mark.long

HOSTILE = '"><img src=x onerror=alert(1)>.bin'
PASTE = """(text) => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([text], "pasted.svg"));
  document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true}));
}"""
MANY = 2000
ANSWERED_AT_ONCE = """() => {
  const gate = new Promise((open) => { window.open_gate = open; });
  window.sent = 0;
  window.longest = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    window.longest = Math.max(window.longest, now - last);
    last = now;
  }, 20);
  window.XMLHttpRequest = class {
    status = 201;
    upload = {};
    #fields = {"Upload-Offset": "10", "Location": `/api/uploads/${window.sent += 1}`};
    open() {}
    setRequestHeader() {}
    getResponseHeader(name) { return this.#fields[name] ?? null; }
    send() { gate.then(() => setTimeout(() => this.onload(), 1)); }
  };
}"""
"""What would send files does not, and tells at once that it did: the service's own time does not count then."""
RIGHT_TO_LEFT = "تقرير 湖 🏔.bin"


def test_what_is_chosen_and_dropped_arrives(
    console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    names = {"empty.txt": 0, "small.bin": 70_000, "large.bin": MEBIBYTE, HOSTILE: 10, RIGHT_TO_LEFT: 10}
    paths = {name: made(tmp_path, name, size) for name, size in names.items()}
    choose(console, *paths.values())
    found = wait_for(console, alice, server, *names)
    assert {name: found[name] for name in names} == {name: digest(path) for name, path in paths.items()}
    expect(console.get_by_text("5 files were uploaded.")).to_be_visible()

    paths = {name: made(tmp_path, name, 1000) for name in ("Trip/day 1/a.bin", "Trip/day 2/a.bin", "Trip/b.bin")}
    console.get_by_label("Upload folder").set_input_files(tmp_path / "Trip")
    found = wait_for(console, alice, server, *paths)
    assert {name: found[name] for name in paths} == {name: digest(path) for name, path in paths.items()}

    inside, single = made(tmp_path, "Dropped/deep/a.bin", 1000), made(tmp_path, "dropped.bin", 1000)
    (tmp_path / "Dropped/none/at all").mkdir(parents=True)
    line = Line(console)
    console.get_by_role("button", name="New folder").click()
    expect(console.get_by_role("dialog")).to_be_visible()
    line.drop(made(tmp_path, "behind a dialog.bin", 1000))
    expect(console.get_by_text("Drop to upload")).to_have_count(0)
    console.keyboard.press("Escape")
    expect(console.get_by_role("dialog")).to_have_count(0)
    line.drag("dragEnter", single)
    expect(console.get_by_text("Drop to upload")).to_be_visible()
    line.drop(tmp_path / "Dropped", single)
    found = wait_for(console, alice, server, "Dropped/deep/a.bin", "dropped.bin")
    assert (found["Dropped/deep/a.bin"], found["dropped.bin"]) == (digest(inside), digest(single))
    assert "behind a dialog.bin" not in arrived(alice, server)
    folder = f"{server.url}/api/folders/Dropped/none/at%20all"
    wait_until(lambda: console.evaluate("1") and alice.get(folder, timeout=30).status_code == 200)
    expect(console.get_by_text("Drop to upload")).to_have_count(0)


def test_pictures_are_pasted_and_what_a_device_left_is_cancelled(
    console: Page, alice: requests.Session, server: LiveServer
) -> None:
    expect(console.get_by_role("table", name="Files").or_(console.get_by_text("No files yet"))).to_be_visible()
    console.evaluate(PASTE, "<svg/>")
    assert wait_for(console, alice, server, "pasted.svg")["pasted.svg"] == hashlib.sha256(b"<svg/>").hexdigest()
    assert send_chunk(alice, server, "device.bin", 0, b"abc", total=100).status_code == 200
    console.reload()
    expect_bar(console, "device.bin")
    expect(console.get_by_text("from another program")).to_be_visible()
    console.get_by_role("button", name="Cancel device.bin", exact=True).click()
    expect(console.get_by_role("progressbar")).to_have_count(0)
    assert under_way(alice, server) == {}


def test_uploads_are_paused_resumed_and_cancelled_and_go_on_beside_other_pages(
    console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    kept, dropped = made(tmp_path, "kept.bin", 2 * MEBIBYTE), made(tmp_path, "a" + HOSTILE, 2 * MEBIBYTE)
    line = Line(console)
    line.at(SLOW)
    choose(console, kept, dropped)
    for path in (kept, dropped):
        expect_bar(console, path.name)
        expect(console.get_by_role("button", name=f"Pause {path.name}", exact=True)).to_be_visible()
    expect_bar(console, "All uploads")
    wait_for_bytes(console, alice, server, kept.name)
    console.get_by_role("button", name=f"Cancel {dropped.name}", exact=True).click()
    expect(console.get_by_role("button", name="Cancel kept.bin")).to_be_focused()
    console.get_by_role("button", name="Pause kept.bin").click()
    expect(console.get_by_role("button", name="Resume kept.bin")).to_be_focused()
    wait_until(lambda: console.evaluate("1") and under_way(alice, server).keys() == {kept.name})
    assert axe(console) == []
    at_width(console, PHONE)
    assert sideways(console) == []
    at_width(console, 1280)
    console.get_by_role("button", name="Resume kept.bin").click()
    console.get_by_role("link", name="Links", exact=True).click()
    expect(console.get_by_role("heading", name="Links", exact=True, level=1)).to_be_visible()
    dock = console.get_by_role("complementary", name="Uploads")
    expect(dock.get_by_role("progressbar", name="All uploads")).to_be_visible()
    assert axe(console) == []
    line.at()
    assert wait_for(console, alice, server, kept.name)[kept.name] == digest(kept)
    expect(console.get_by_text("kept.bin was uploaded.")).to_be_visible()
    expect(dock).to_have_count(0)
    assert not [name for name in arrived(alice, server) if name == dropped.name]


def test_a_name_that_is_taken_is_numbered_and_the_old_file_can_be_replaced(
    console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    names = [f"twice {number}.txt" for number in range(3)]
    for name in names:
        server.store(alice, name, b"old")
    old = arrived(alice, server)
    paths = [made(tmp_path, name, 100) for name in names]
    choose(console, *paths)
    found = wait_for(console, alice, server, *(f"twice {number} (2).txt" for number in range(3)))
    assert [found[f"twice {number} (2).txt"] for number in range(3)] == list(map(digest, paths))
    expect(console.get_by_text("There was a twice 0.txt already: kept as twice 0 (2).txt")).to_be_visible()
    assert axe(console) == []
    console.get_by_role("button", name="Keep twice 0 (2).txt").click()
    console.get_by_role("button", name="Replace twice 1.txt").click()
    expect(console.get_by_text("There was a twice 2.txt already")).to_be_visible()
    console.get_by_role("button", name="Replace twice 2.txt").click()
    wanted = dict(zip(names, (old[names[0]], digest(paths[1]), digest(paths[2])), strict=True))
    wanted["twice 0 (2).txt"] = digest(paths[0])

    def kept() -> dict[str, str]:
        return {name: sha for name, sha in arrived(alice, server).items() if name.startswith("twice")}

    wait_until(lambda: console.evaluate("1") and kept() == wanted)
    for name in names:
        expect(console.get_by_role("link", name=name, exact=True)).to_be_visible()
    for number in (1, 2):
        expect(console.get_by_role("link", name=f"twice {number} (2).txt", exact=True)).to_have_count(0)


def test_what_is_refused_says_why_and_can_be_tried_again(
    console: Page,
    alice: requests.Session,
    server: LiveServer,
    tmp_path: Path,
    expected_errors: Callable[..., None],
) -> None:
    expected_errors("4(00|09|13)")
    root = server.sign_in("root")
    account = f"{server.url}/api/admin/accounts/alice"
    used = alice.get(f"{server.url}/auth/me", timeout=30).json()["used_bytes"]
    assert root.patch(account, json={"quota_bytes": used + 1000}, timeout=30).status_code == 200
    path, bad = made(tmp_path, "too much.bin", 2000), made(tmp_path, "bad\\name.bin", 10)
    server.store(alice, "in the way", b"")
    below = made(tmp_path / "x", "in the way/below.bin", 10)
    choose(console, path, bad)
    console.get_by_label("Upload folder").set_input_files(below.parent)
    reasons = (
        "There is no room left in this account",
        "The service did not accept it",
        "A file has the name of a folder",
    )
    for reason in reasons:
        expect(console.get_by_role("listitem").filter(has_text=reason)).to_be_visible()
    expect(console.get_by_role("alert")).to_have_text(["3 files were not uploaded. Their rows say why."])
    assert root.patch(account, json={"quota_bytes": None}, timeout=30).status_code == 200
    assert alice.delete(f"{server.url}/api/files/in%20the%20way", timeout=30).status_code == 200
    for name in (path.name, "in the way/below.bin"):
        console.get_by_role("button", name=f"Try {name} again", exact=True).click()
    assert wait_for(console, alice, server, path.name, "in the way/below.bin")[path.name] == digest(path)
    console.get_by_role("button", name=f"Cancel {bad.name}", exact=True).click()
    expect(console.get_by_role("progressbar")).to_have_count(0)


def test_thousands_of_small_files_do_not_freeze_the_page(console: Page, tmp_path: Path) -> None:
    for number in range(MANY):
        made(tmp_path, f"many/{number}.bin", 10)
    console.evaluate(ANSWERED_AT_ONCE)
    console.get_by_label("Upload folder").set_input_files(tmp_path / "many")
    bars = console.get_by_role("progressbar")
    expect(console.get_by_role("button", name=re.compile("Show .* more"))).to_be_visible()
    assert bars.count() <= 40
    console.evaluate("window.open_gate()")
    expect(console.get_by_text("2,000 files were uploaded.")).to_be_visible(timeout=300_000)
    longest, sent = console.evaluate("[window.longest, window.sent]")
    assert (sent, longest < 5000) == (MANY, True), longest
