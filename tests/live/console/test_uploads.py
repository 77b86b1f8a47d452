"""Sending files by the console: what is chosen arrives, byte for byte, can be seen, and can be stopped."""

import hashlib
import os
from pathlib import Path

import requests
from playwright.sync_api import Page, expect

from tests.live.server import LiveServer, wait_until


def made(folder: Path, name: str, size: int) -> Path:
    """A file of random bytes."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def arrived(session: requests.Session, server: LiveServer) -> dict[str, str]:
    """The SHA-256 of what has arrived whole, by name."""
    listed = session.get(f"{server.url}/api/files", params={"limit": "1000"}, timeout=30).json()["files"]
    return {each["filename"]: each["sha256"] for each in listed if each["status"] == "complete"}


def under_way(session: requests.Session, server: LiveServer) -> list[str]:
    uploads = session.get(f"{server.url}/api/uploads", timeout=30).json()["uploads"]
    return [each["filename"] for each in uploads]


def test_what_is_chosen_arrives(console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path) -> None:
    sizes = {"empty.txt": 0, "small.bin": 70_000, "large.bin": 3_000_000}
    paths = {name: made(tmp_path, name, size) for name, size in sizes.items()}
    console.get_by_label("Upload files").set_input_files(list(paths.values()))
    wait_until(lambda: console.evaluate("1") and arrived(alice, server).keys() >= sizes.keys(), seconds=20)
    found = arrived(alice, server)
    assert {name: found[name] for name in sizes} == {name: digest(path) for name, path in paths.items()}
    expect(console.get_by_text("3 files were uploaded.")).to_be_visible()
    expect(console.get_by_role("progressbar")).to_have_count(0)
