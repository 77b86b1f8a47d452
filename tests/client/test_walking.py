"""What the client finds to send, and how that is named at the service."""

import os
from pathlib import Path

import pytest
from transfer_service_client.walking import LocalFile, LocalFolder, Unsendable, walk


def _names(found: object) -> list[str]:
    return [each.name for each in found if isinstance(each, LocalFile | LocalFolder)]  # type: ignore[attr-defined]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "b").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "a.txt").write_bytes(b"a")
    (folder / "b" / "c.txt").write_bytes(b"c")
    return folder


def test_a_folder_keeps_its_own_name(album: Path) -> None:
    assert _names(walk([str(album)], to="2026")) == ["2026/album/a.txt", "2026/album/b/c.txt", "2026/album/empty"]


def test_a_slash_at_its_end_means_only_what_is_in_it(album: Path) -> None:
    assert _names(walk([f"{album}/"])) == ["a.txt", "b/c.txt", "empty"]


def test_the_folder_of_here_is_what_is_in_it(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album)
    assert _names(walk(["."], to="x")) == ["x/a.txt", "x/b/c.txt", "x/empty"]


def test_a_name_that_is_not_utf_8_is_told_and_the_rest_goes_on(album: Path) -> None:
    Path(os.fsdecode(os.fsencode(album) + b"/a\xff")).write_bytes(b"")
    found = list(walk([str(album)]))
    (bad,) = [each for each in found if isinstance(each, Unsendable)]
    assert bad.shown.endswith("a\N{REPLACEMENT CHARACTER}")
    assert "not UTF-8" in str(bad.error)
    assert len(_names(found)) == 3


def test_links_to_files_are_followed_and_those_to_folders_are_told(album: Path) -> None:
    (album / "link.txt").symlink_to(album / "a.txt")
    (album / "loop").symlink_to(album)
    (album / "dangling").symlink_to(album / "nowhere")
    os.mkfifo(album / "pipe")
    found = list(walk([str(album)]))
    assert "album/link.txt" in _names(found)
    bad = {Path(each.shown).name: str(each.error) for each in found if isinstance(each, Unsendable)}
    assert bad == {
        "dangling": "No such file or directory",
        "loop": "A link to a folder is not followed",
        "pipe": "It is no file",
    }


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    (found,) = walk([str(tmp_path / "nothing")])
    assert isinstance(found, Unsendable)
    assert "No such file" in str(found.error)
