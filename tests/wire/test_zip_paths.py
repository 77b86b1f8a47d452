"""Paths in archives."""

import pytest

from transfer_service.wire.zip_paths import ZipPaths, safe_label


@pytest.mark.parametrize(
    ("label", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("文件 (1).bin", "文件 (1).bin"),
        ("C:", "C_"),
        ("notes.txt:stream", "notes.txt_stream"),
        ('a<b>c"d|e?f*g', "a_b_c_d_e_f_g"),
        ("dot.", "dot_"),
        ("dots and spaces. . ", "dots and spaces____"),
        (" .hidden", " .hidden"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Nul .tar.gz", "_Nul .tar.gz"),
        ("COM1", "_COM1"),
        ("lpt¹.x", "_lpt¹.x"),
        ("console", "console"),
        ("COM10", "COM10"),
        ("con." + "x" * 251, "_con." + "x" * 250),
    ],
)
def test_a_label_is_one_that_windows_can_have(label: str, safe: str) -> None:
    assert safe_label(label) == safe
    assert safe_label(safe) == safe


def test_namesakes_are_numbered_as_names_are_elsewhere() -> None:
    paths = ZipPaths()
    given = ["photo.jpg", "photo.jpg", "photo (2).jpg", "photo.jpg", "PHOTO.JPG", "Straße", "strasse", "a?", "a*"]
    assert [paths.file("", each) for each in given] == [
        "photo.jpg",
        "photo (2).jpg",
        "photo (2) (2).jpg",
        "photo (3).jpg",
        "PHOTO (4).JPG",
        "Straße",
        "strasse (2)",
        "a_",
        "a_ (2)",
    ]


def test_roots_of_one_label_are_numbered_and_files_give_way_to_folders() -> None:
    paths = ZipPaths()
    roots = [paths.root("photos"), paths.root("Photos")]
    assert roots == ["photos", "Photos (2)"]
    assert paths.folder("photos/a:b") == "photos/a_b"
    assert paths.file("", "photos") == "photos (3)"
    assert [paths.file("photos", "a_b"), paths.file("photos/a_b", "x"), paths.file("photos/a_b", "X")] == [
        "photos/a_b (2)",
        "photos/a_b/x",
        "photos/a_b/X (2)",
    ]


def test_ten_thousand_namesakes_take_no_square_of_that() -> None:
    paths = ZipPaths()
    found = [paths.file("", "x" * 251 + ".jpg") for _ in range(10_000)]
    assert len(set(found)) == 10_000
    assert max(len(each.encode()) for each in found) <= 255
