"""What every unzipper reads is read here too, byte for byte; and nothing is read here that zipfile reads otherwise."""

from pathlib import Path

import pytest

from tests.storage.zip_packers import COMMANDS, IN_DOS, MEMBERS, PIPED, PIPES, PYTHON, pack, pack_piped, write_members
from tests.storage.zip_readers import EXTRACTORS, read_by, read_by_us, read_by_zipfile
from tests.storage.zips import BZIP2, DEFLATED, DOS, SIZES_FOLLOW, UTF8, Part, deflate, descriptor, make, unicode_path

DATA = b"data" * 50
PACKED = deflate(DATA)
UNKNOWN = {"flags": SIZES_FOLLOW, "crc32": 0, "compressed": 0, "length": 0}
"""A local header written before the data."""


@pytest.mark.parametrize("packer", [*COMMANDS, *PYTHON])
def test_what_any_packer_packs_is_read(tmp_path: Path, packer: str) -> None:
    folder, archive = tmp_path / "folder", tmp_path / "archive.zip"
    write_members(folder)
    pack(packer, folder, archive)
    wanted = IN_DOS if packer == "zip, DOS" else MEMBERS
    assert read_by_us(archive, wanted) == wanted


@pytest.mark.parametrize("packer", PIPES)
def test_what_comes_through_a_pipe_is_read(tmp_path: Path, packer: str) -> None:
    archive = tmp_path / "archive.zip"
    pack_piped(packer, tmp_path, archive)
    assert read_by_us(archive, ["-"]) == {"-": PIPED}
    assert read_by("unzip", archive) == {"-": PIPED}


PATH_IN_UNICODE = unicode_path(b"d.txt", "文.txt")


@pytest.mark.parametrize(("part", "path"), [
    pytest.param(Part(b"d.txt", DATA, DEFLATED, local=UNKNOWN, descriptor=descriptor(DATA, PACKED)), "d.txt",
                 id="descriptor-says-only-the-header"),
    pytest.param(Part(b"d.txt", DATA, DEFLATED, flags=SIZES_FOLLOW, local=UNKNOWN,
                      descriptor=descriptor(DATA, PACKED, signature=b"")), "d.txt", id="descriptor-without-signature"),
    pytest.param(Part(b"d.txt", DATA, DEFLATED, flags=SIZES_FOLLOW, descriptor=descriptor(DATA, PACKED)), "d.txt",
                 id="descriptor-needlessly"),
    pytest.param(Part(b"d.txt", DATA, DEFLATED, behind=b"behind the stream"), "d.txt", id="bytes-behind-the-stream"),
    pytest.param(Part(b"d.txt", DATA, BZIP2), "d.txt", id="bzip2"),
    pytest.param(Part(b"d.txt", DATA, mode=0o010600), "d.txt", id="from-a-pipe"),
    pytest.param(Part(b"d.txt", DATA, mode=0), "d.txt", id="without-a-mode"),
    pytest.param(Part(b"a\\b\\d.txt", DATA, made_by=DOS, mode=0), "a/b/d.txt", id="backslashes"),
    pytest.param(Part(b"./a/d.txt", DATA), "a/d.txt", id="dot"),
    pytest.param(Part(b"a//d.txt", DATA), "a/d.txt", id="two-slashes"),
    pytest.param(Part("文.txt".encode(), DATA), "文.txt", id="utf8-untold"),
    pytest.param(Part("文.txt".encode(), DATA, flags=UTF8), "文.txt", id="utf8-told"),
    pytest.param(Part(b"d.txt", DATA, local={"extra": PATH_IN_UNICODE}, central={"extra": PATH_IN_UNICODE}), "文.txt",
                 id="unicode-path"),
])  # fmt: skip
def test_what_unzip_reads_is_read(tmp_path: Path, part: Part, path: str) -> None:
    archive = tmp_path / "archive.zip"
    archive.write_bytes(make([Part(b"first", b"first"), part, Part(b"last", b"last", DEFLATED)]))
    everything = {"first": b"first", path: DATA, "last": b"last"}
    assert read_by_us(archive, everything) == everything
    assert read_by("unzip", archive) == everything


SOUND = make([
    Part(b"stored", b"stored"),
    Part(b"dir/deflated.txt", DATA, DEFLATED),
    Part("é".encode(), b"u" * 9, flags=UTF8),
    Part(b"streamed", DATA, DEFLATED, flags=SIZES_FOLLOW, local=UNKNOWN, descriptor=descriptor(DATA, PACKED)),
])  # fmt: skip
NAMES = {"stored", "dir/deflated.txt", "é", "streamed"}


def test_the_archive_before_it_is_changed_is_sound(tmp_path: Path) -> None:
    (archive := tmp_path / "archive.zip").write_bytes(SOUND)
    ours = read_by_us(archive, NAMES)
    assert ours == read_by_zipfile(archive)
    assert [read_by(each, archive) for each in EXTRACTORS] == [ours] * 3


def _is_read_by_all(archive: Path, name: str, data: bytes) -> bool:
    """Whether every program unpacks it, without a complaint about the archive."""
    return all((read_by(each, archive) or {}).get(name) == data for each in EXTRACTORS)


@pytest.mark.parametrize("change", [0x00, 0xFF, 0x08], ids=["cleared", "set", "flipped"])
def test_a_byte_that_is_wrong_hides_nothing_and_forges_nothing(tmp_path: Path, change: int) -> None:
    """For each byte of the archive: what all others still read is read, and what is read is what zipfile reads."""
    archive = tmp_path / "archive.zip"
    hidden, forged = [], []
    for place, byte in enumerate(SOUND):
        damaged = bytearray(SOUND)
        damaged[place] = byte ^ change if change == 0x08 else change
        archive.write_bytes(damaged)
        theirs = read_by_zipfile(archive)
        ours = read_by_us(archive, NAMES | theirs.keys())
        forged += [(place, name) for name, data in ours.items() if theirs.get(name, data) != data]
        missed = (NAMES & theirs.keys()) - ours.keys()
        hidden += [(place, name) for name in missed if _is_read_by_all(archive, name, theirs[name])]
    assert (hidden, forged) == ([], [])
