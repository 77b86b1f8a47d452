import os
from pathlib import Path

import pytest
from transfer_service_client.downloads.placing import TargetFolder, UnsafeName, labels_of, part_stem


@pytest.mark.parametrize(
    "name",
    ["", "..", "../a", "a/../b", "/etc/passwd", "a//b", "a/", ".", "a/./b", "a\\b", "..\\a", "a\0b", "a\nb", "\ud800"],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    folder = TargetFolder(tmp_path / "into", is_windows=False)
    for place in (folder.place, folder.make_folder):
        with pytest.raises(UnsafeName):
            place(name)
    assert list((tmp_path / "into").iterdir()) == []


@pytest.mark.parametrize(
    "label",
    [
        "C:",
        "C:a",
        "a:stream",
        "con",
        "NUL",
        "nul.txt",
        "Com1.tar.gz",
        "LPT¹",
        "CONIN$",
        "aux .c",
        "a.",
        "a ",
        "a?",
        "a|b",
    ],
)
def test_what_windows_takes_for_something_else_is_refused_there_only(label: str) -> None:
    assert labels_of(f"a/{label}", is_windows=False) == ["a", label]
    for name in (label, f"a/{label}", f"{label}/a"):
        with pytest.raises(UnsafeName):
            labels_of(name, is_windows=True)


def test_names_near_those_of_devices_are_allowed_everywhere() -> None:
    for label in ("console", "com", "com10", "nuls.txt", "my con", ".con"):
        assert labels_of(label, is_windows=True) == [label]


def test_names_of_unfinished_files_are_refused_in_any_case() -> None:
    for suffix in ("part", "json", "new"):
        with pytest.raises(UnsafeName):
            labels_of(f"a/{part_stem('film.mp4')}.{suffix}".upper())


def test_links_in_the_way_are_not_followed(tmp_path: Path) -> None:
    outside, into = tmp_path / "outside", tmp_path / "into"
    outside.mkdir()
    (into / "real").mkdir(parents=True)
    (into / "link").symlink_to(outside)
    (into / "real" / "link").symlink_to(outside)
    (into / "dangling").symlink_to(tmp_path / "nothing")
    folder = TargetFolder(into)
    for name in ("link/a", "link/b/c", "real/link/a", "dangling/a"):
        with pytest.raises(UnsafeName):
            folder.place(name)
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "nothing").exists()


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert TargetFolder(tmp_path / "link").place("a/b") == tmp_path / "real" / "a" / "b"


def test_names_that_the_disk_takes_for_one_are_told(tmp_path: Path) -> None:
    folder = TargetFolder(tmp_path, ignores_case=True)
    folder.place("Photos/one.jpg")
    folder.place("Photos/one.jpg")
    for name in ("Photos/ONE.jpg", "photos/two.jpg", "PHOTOS"):
        with pytest.raises(UnsafeName, match="takes both for one"):
            folder.place(name)
    folder.place("Stra\u00dfe")
    with pytest.raises(UnsafeName):
        folder.place("STRASSE")


def test_a_disk_that_tells_cases_apart_keeps_both(tmp_path: Path) -> None:
    folder = TargetFolder(tmp_path, ignores_case=False)
    assert folder.place("a") != folder.place("A")


def test_the_probe_of_the_disk_leaves_nothing(tmp_path: Path) -> None:
    TargetFolder(tmp_path)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_files_and_folders_of_one_name_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    folder = TargetFolder(tmp_path)
    with pytest.raises(UnsafeName):
        folder.place("file/below")
    with pytest.raises(UnsafeName):
        folder.place("folder")
