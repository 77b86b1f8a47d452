"""What the client finds to send, and how that is named at the service."""

import os
from pathlib import Path

import pytest
from transfer_service_client.folders.excluding import Excluding
from transfer_service_client.folders.walking import (
    Found,
    LocalFile,
    LocalFolder,
    Root,
    Skipped,
    Unsendable,
    roots,
    walk,
)


def _walk(*paths: str, to: str = "") -> list[Found]:
    taken: set[str] = set()
    found: list[Found] = []
    for root in roots(paths, to=to):
        found += [root] if isinstance(root, Unsendable) else walk(root, taken)
    return found


def _names(found: list[Found]) -> list[str]:
    return [
        each.name for each in found if isinstance(each, LocalFile) or (isinstance(each, LocalFolder) and each.is_empty)
    ]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "b").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "a.txt").write_bytes(b"a")
    (folder / "b" / "c.txt").write_bytes(b"c")
    return folder


def test_a_folder_keeps_its_own_name(album: Path) -> None:
    assert _names(_walk(str(album), to="2026")) == ["2026/album/a.txt", "2026/album/b/c.txt", "2026/album/empty"]


def test_a_slash_at_its_end_means_only_what_is_in_it(album: Path) -> None:
    assert _names(_walk(f"{album}/")) == ["a.txt", "b/c.txt", "empty"]


def test_the_folder_of_here_is_what_is_in_it(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album)
    assert _names(_walk(".", to="x")) == ["x/a.txt", "x/b/c.txt", "x/empty"]


def test_a_name_that_is_not_utf_8_is_told_and_the_rest_goes_on(album: Path) -> None:
    Path(os.fsdecode(os.fsencode(album) + b"/a\xff")).write_bytes(b"")
    found = _walk(str(album))
    (bad,) = [each for each in found if isinstance(each, Unsendable)]
    assert bad.name.endswith("a\N{REPLACEMENT CHARACTER}")
    assert "not UTF-8" in str(bad.error)
    assert len(_names(found)) == 3


def test_links_to_files_are_followed_and_those_to_folders_are_told(album: Path) -> None:
    (album / "link.txt").symlink_to(album / "a.txt")
    (album / "loop").symlink_to(album)
    (album / "dangling").symlink_to(album / "nowhere")
    os.mkfifo(album / "pipe")
    found = _walk(str(album))
    assert "album/link.txt" in _names(found)
    assert [each for each in found if isinstance(each, Skipped)] == [
        Skipped("album/loop", "A link to a folder is not followed"),
        Skipped("album/pipe", "It is no file"),
    ]
    assert [(each.name, str(each.error)) for each in found if isinstance(each, Unsendable)] == [
        ("album/dangling", "No such file or directory")
    ]
    assert isinstance(_walk(str(album / "pipe"))[0], Unsendable)  # nobody asks for it without a reason


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    (found,) = _walk(str(tmp_path / "nothing"))
    assert isinstance(found, Unsendable)
    assert "No such file" in str(found.error)


def test_names_are_told_as_the_service_keeps_them_and_none_twice(tmp_path: Path) -> None:
    for name in ("a/cafe\u0301.txt", "a/caf\u00e9.txt", "b/only", "c/only"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = _walk(str(tmp_path / "a"))
    assert _names(found) == ["a/caf\u00e9.txt"]
    (twice,) = [each for each in found if isinstance(each, Unsendable)]
    assert twice.name == "a/caf\u00e9.txt"
    found = _walk(str(tmp_path / "b" / "only"), str(tmp_path / "c") + "/")
    assert _names(found) == ["only"]
    (second,) = [each for each in found if isinstance(each, Unsendable)]
    assert "second file of this name" in str(second.error)


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("*.txt", ["album/b", "album/empty"]),
        ("b", ["album/a.txt", "album/empty"]),
        ("b/", ["album/a.txt", "album/empty"]),
        ("a.txt/", ["album/a.txt", "album/b/c.txt", "album/empty"]),
        ("/c.txt", ["album/a.txt", "album/b/c.txt", "album/empty"]),
        ("b/c.*", ["album/a.txt", "album/b", "album/empty"]),
        ("album", ["album/a.txt", "album/b/c.txt", "album/empty"]),
        ("A.TXT", ["album/a.txt", "album/b/c.txt", "album/empty"]),
    ],
)
def test_what_is_excluded_is_not_found(album: Path, pattern: str, kept: list[str]) -> None:
    (root,) = roots([str(album)])
    assert isinstance(root, Root)
    assert sorted(_names(list(walk(root, exclude=Excluding([pattern]))))) == kept


def test_letters_of_a_pattern_are_the_same_in_other_characters(album: Path) -> None:
    (album / "cafe\u0301").write_bytes(b"")
    (root,) = roots([f"{album}/"])
    assert isinstance(root, Root)
    assert _names(list(walk(root, exclude=Excluding(["caf\u00e9"])))) == ["a.txt", "b/c.txt", "empty"]
