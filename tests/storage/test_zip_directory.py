"""Reading and judging the directory of an archive."""

import io
import struct
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.storage.zips import (
    BZIP2,
    DEFLATED,
    DOS,
    ENCRYPTED,
    IN_ZIP64,
    SIZES_FOLLOW,
    UNIX,
    UTF8,
    Part,
    descriptor,
    make,
    unicode_path,
    zip64_extra,
)
from tests.stores import reader_of
from transfer_service.storage.zip_directory import Directory, Flaw, IndexedMember, NoZip, name_digest

LIMIT = 10_000


def read(tmp_path: Path, content: bytes) -> dict[bytes, IndexedMember]:
    """The members of an archive by the digests of their names."""
    path = tmp_path / "archive.zip"
    path.write_bytes(content)
    with closing(reader_of(path)) as archive:
        directory = Directory(archive, max_member_bytes=LIMIT)
        members = [member for batch in directory.batches(3) for member in batch]
    assert len(directory) == len(members) == len({member.name_digest for member in members})
    return {member.name_digest: member for member in members}


def flaws(tmp_path: Path, *parts: Part, **end: Any) -> list[Flaw | str | None]:
    """The flaw of each part by its name, `absent` where it is not indexed."""
    members = read(tmp_path, make(parts, **end))
    found: list[Flaw | str | None] = []
    for part in parts:
        name = part.name.decode("utf-8" if part.flags & UTF8 else "cp437")
        member = members.get(name_digest(name))
        found.append(member.flaw if member else "absent")
    return found


@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\nexit\n" * 10], ids=["plain", "self-extracting"])
def test_every_member_is_found_where_it_is(tmp_path: Path, before: bytes) -> None:
    parts = [Part(b"a/b.txt", b"hello"), Part(b"c", b"x" * 500, DEFLATED), Part("é".encode(), b"", flags=UTF8)]
    members = read(tmp_path, make(parts, before=before))
    second = members[name_digest("c")]
    assert (second.header_offset, second.length) == (len(before) + len(parts[0].local_part()), 500)
    assert (second.compressed_bytes, second.method, second.flaw) == (len(parts[1].packed), DEFLATED, None)
    assert {name_digest("a/b.txt"), name_digest("é")} < members.keys()


def test_names_without_the_utf8_flag_are_in_code_page_437(tmp_path: Path) -> None:
    assert read(tmp_path, make([Part(b"\x82.txt", b"x")])).keys() == {name_digest("é.txt")}


def test_an_empty_archive_has_no_members(tmp_path: Path) -> None:
    assert read(tmp_path, make([])) == {}


GOOD = Part(b"good", b"good")


@pytest.mark.parametrize(
    ("part", "flaw"),
    [
        pytest.param(Part(b"x", b"data", flags=ENCRYPTED), Flaw.ENCRYPTED, id="encrypted"),
        pytest.param(Part(b"x", b"data", flags=0x41), Flaw.ENCRYPTED, id="strongly-encrypted"),
        pytest.param(Part(b"x", b"data", flags=0x2000), Flaw.ENCRYPTED, id="hidden-headers"),
        pytest.param(Part(b"x", b"data", local={"flags": 1}), Flaw.DAMAGED, id="encrypted-says-only-the-header"),
        pytest.param(Part(b"x", b"data", central={"flags": 1}), Flaw.ENCRYPTED, id="encrypted-says-only-the-directory"),
        pytest.param(Part(b"x", b"data", method=14), Flaw.UNSUPPORTED, id="lzma"),
        pytest.param(Part(b"x", b"data", method=99), Flaw.UNSUPPORTED, id="aes"),
        pytest.param(Part(b"x", b"data", flags=0x20), Flaw.UNSUPPORTED, id="patch-data"),
        pytest.param(Part(b"x", b"x" * (LIMIT + 1), DEFLATED), Flaw.OVERSIZED, id="oversized"),
        pytest.param(Part(b"x", b"x" * LIMIT, DEFLATED), None, id="just-fits"),
        pytest.param(Part(b"x", b"data", local={"name": b"y"}), Flaw.DAMAGED, id="another-name-in-the-header"),
        pytest.param(Part(b"x", b"data", local={"method": 8}), Flaw.DAMAGED, id="another-method-in-the-header"),
        pytest.param(Part(b"x", b"data", local={"length": 3}), Flaw.DAMAGED, id="another-length-in-the-header"),
        pytest.param(Part(b"x", b"data", local={"compressed": 3}), Flaw.DAMAGED, id="another-size-in-the-header"),
        pytest.param(Part(b"x", b"data", local={"crc32": 3}), Flaw.DAMAGED, id="another-checksum-in-the-header"),
        pytest.param(Part(b"x", b"data", central={"length": 3}), Flaw.DAMAGED, id="stored-but-of-two-sizes"),
        pytest.param(Part(b"x", b"data", offset=1), Flaw.DAMAGED, id="no-header-there"),
        pytest.param(Part(b"x", b"data", offset=2**32 - 2), Flaw.DAMAGED, id="header-beyond-the-file"),
        pytest.param(
            Part(b"x", b"data", local={"length": 999, "compressed": 999}, central={"length": 999, "compressed": 999}),
            Flaw.DAMAGED, id="data-in-the-directory",
        ),
        pytest.param(
            Part(b"x", b"data", central={"length": IN_ZIP64}), Flaw.DAMAGED, id="zip64-without-its-field"
        ),
        pytest.param(
            Part(b"x", b"data", central={"length": IN_ZIP64, "extra": zip64_extra(5)}), Flaw.DAMAGED, id="zip64-lies",
        ),
        pytest.param(
            Part(b"x", b"data", DEFLATED, central={"length": IN_ZIP64, "extra": zip64_extra(2**64 - 1)}),
            Flaw.OVERSIZED, id="zip64-enormous",
        ),
        pytest.param(
            Part(b"x", b"data", central={"length": IN_ZIP64, "extra": b"\x01\x00\xff\xff"}), Flaw.DAMAGED,
            id="extra-field-cut-off",
        ),
        pytest.param(
            Part(b"x", b"data", central={"length": IN_ZIP64, "compressed": IN_ZIP64, "extra": zip64_extra(4, 4)}),
            None, id="zip64-needlessly",
        ),
        pytest.param(
            Part(b"x", b"data", flags=SIZES_FOLLOW, local={"length": 0, "compressed": 0, "crc32": 0},
                 descriptor=b"PK\x07\x08" + bytes(12)),
            None, id="sizes-behind-the-data",
        ),
        pytest.param(
            Part(b"x", b"data", flags=SIZES_FOLLOW, local={"length": 3, "compressed": 0, "crc32": 0}), Flaw.DAMAGED,
            id="sizes-behind-the-data-and-others-before",
        ),
        pytest.param(
            Part(b"x", b"data", local={"flags": SIZES_FOLLOW, "length": 0, "compressed": 0, "crc32": 0},
                 descriptor=descriptor(b"data", b"data")),
            None, id="sizes-behind-the-data-says-only-the-header",
        ),
        pytest.param(
            Part(b"x", b"data", local={"flags": SIZES_FOLLOW, "length": 3, "compressed": 0, "crc32": 0}),
            Flaw.DAMAGED, id="sizes-behind-the-data-says-only-the-header-and-has-others",
        ),
        pytest.param(
            Part(b"x", b"data", central={"flags": SIZES_FOLLOW}, local={"length": 0, "compressed": 0, "crc32": 0}),
            Flaw.DAMAGED, id="sizes-behind-the-data-says-only-the-directory",
        ),
        pytest.param(Part(b"x", b"data" * 9, BZIP2), None, id="bzip2"),
        pytest.param(Part(b"x", b"data", mode=0o010600), None, id="from-a-pipe"),
        pytest.param(Part(b"x", b"data", mode=0o140777), None, id="from-a-socket"),
        pytest.param(Part(b"x", b"data", mode=0o600), None, id="of-no-kind"),
    ],
)  # fmt: skip
def test_a_flawed_member_leaves_the_others_alone(tmp_path: Path, part: Part, flaw: Flaw | None) -> None:
    assert flaws(tmp_path, GOOD, part, Part(b"last", b"last", DEFLATED)) == [None, flaw, None]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(Part(b"../x", b"x"), id="traversing"),
        pytest.param(Part(b"a/..", b"x"), id="ends-in-dots"),
        pytest.param(Part(b"/x", b"x"), id="absolute"),
        pytest.param(Part(b"C:\\x", b"x"), id="drive"),
        pytest.param(Part(b"c:x", b"x"), id="drive-without-slash"),
        pytest.param(Part(b"\\x", b"x"), id="absolute-by-backslash"),
        pytest.param(Part(b"\\\\server\\share\\x", b"x"), id="network-share"),
        pytest.param(Part(b"..\\x", b"x"), id="traversing-by-backslash"),
        pytest.param(Part(b"a/..\\x", b"x"), id="traversing-by-both"),
        pytest.param(Part(b"a\\../x", b"x"), id="traversing-by-both-the-other-way"),
        pytest.param(Part(b"a\\..", b"x"), id="ends-in-dots-by-backslash"),
        pytest.param(Part(b"./C:\\x", b"x"), id="drive-behind-a-dot"),
        pytest.param(Part(b"dir\\"), id="folder-by-backslash"),
        pytest.param(Part(b"dir/."), id="folder-by-a-dot"),
        pytest.param(Part(b".", b"x"), id="dot"),
        pytest.param(Part(b"..", b"x"), id="dots"),
        pytest.param(Part(b"a\0b", b"x"), id="nul"),
        pytest.param(Part(b"a\rb", b"x"), id="control"),
        pytest.param(Part(b"", b"x"), id="no-name"),
        pytest.param(Part(b"dir/"), id="folder"),
        pytest.param(Part(b"x", b"target", mode=0o120777), id="symlink"),
        pytest.param(Part(b"x", b"", mode=0o020666), id="device"),
        pytest.param(Part(b"x", b"", mode=0o060666), id="block-device"),
        pytest.param(Part(b"x", b"", mode=0o040755), id="folder-by-its-mode"),
    ],
)
def test_what_is_no_file_below_its_folder_is_not_there(tmp_path: Path, part: Part) -> None:
    assert flaws(tmp_path, GOOD, part) == [None, "absent"]


@pytest.mark.parametrize(("name", "path"), [
    pytest.param(b"a\\b\\c.txt", "a/b/c.txt", id="backslashes"),
    pytest.param(b"a\\b/c.txt", "a/b/c.txt", id="both"),
    pytest.param(b"./a.txt", "a.txt", id="here"),
    pytest.param(b".\\a.txt", "a.txt", id="here-by-backslash"),
    pytest.param(b"a/./b.txt", "a/b.txt", id="needless-dot"),
    pytest.param(b"a//b.txt", "a/b.txt", id="needless-slash"),
    pytest.param(b"...", "...", id="three-dots"),
    pytest.param(b"a/.b", "a/.b", id="hidden"),
    pytest.param("é文.txt".encode(), "é文.txt", id="utf8-without-the-flag"),
    pytest.param(b"\x82\xff.txt", "é\u00a0.txt", id="no-utf8"),
])  # fmt: skip
@pytest.mark.parametrize("made_by", [UNIX, DOS], ids=["unix", "dos"])
def test_names_are_read_as_unzippers_read_them(tmp_path: Path, name: bytes, path: str, made_by: int) -> None:
    assert read(tmp_path, make([Part(name, b"x", made_by=made_by)])).keys() == {name_digest(path)}


@pytest.mark.parametrize(("extra", "flags", "path"), [
    pytest.param(unicode_path(b"a.txt", "文.txt"), 0, "文.txt", id="for-this-name"),
    pytest.param(b"\x99\x99\x02\0xx" + unicode_path(b"a.txt", "文.txt"), 0, "文.txt", id="behind-another-field"),
    pytest.param(unicode_path(b"b.txt", "文.txt"), 0, "a.txt", id="for-another-name"),
    pytest.param(unicode_path(b"a.txt", "文.txt", version=2), 0, "a.txt", id="of-another-version"),
    pytest.param(unicode_path(b"a.txt", "文.txt"), UTF8, "a.txt", id="of-a-name-in-utf8"),
    pytest.param(unicode_path(b"a.txt", "文.txt")[:6], 0, "a.txt", id="cut-off"),
    pytest.param(unicode_path(b"a.txt", "../文.txt"), 0, None, id="traversing"),
    pytest.param(unicode_path(b"a.txt", "c:\\文.txt"), 0, None, id="drive"),
    pytest.param(unicode_path(b"a.txt", ""), 0, None, id="empty"),
])  # fmt: skip
def test_the_unicode_path_counts_for_the_name_that_it_was_written_for(
    tmp_path: Path, extra: bytes, flags: int, path: str | None
) -> None:
    part = Part(b"a.txt", b"x", flags=flags, local={"extra": extra}, central={"extra": extra})
    assert read(tmp_path, make([part])).keys() == ({name_digest(path)} if path else set())


@pytest.mark.parametrize(("names", "length"), [
    pytest.param([b"a/b", b"a\\b", b"./a/b"], 3, id="written-so-first"),
    pytest.param([b"a\\b", b"./a/b", b"a/b"], 3, id="written-so-last"),
    pytest.param([b"a\\b", b"./a/b"], None, id="both-written-otherwise"),
    pytest.param([b"a/b", b"a\\b", b"a/b"], None, id="two-written-so"),
])  # fmt: skip
def test_of_names_that_come_to_one_path_the_one_that_is_written_so_counts(
    tmp_path: Path, names: list[bytes], length: int | None
) -> None:
    members = read(tmp_path, make([GOOD, *(Part(name, b"x" * len(name)) for name in names)]))
    found = members.pop(name_digest("a/b"))
    assert (found.length if found.flaw is None else None) == length
    assert [(digest, each.flaw) for digest, each in members.items()] == [(name_digest("good"), None)]


def test_a_name_that_is_not_utf8_though_it_says_so_is_not_there(tmp_path: Path) -> None:
    members = read(tmp_path, make([GOOD, Part(b"\xff", b"x", flags=UTF8)]))
    assert members.keys() == {name_digest("good")}


def test_two_members_of_one_name_are_damaged(tmp_path: Path) -> None:
    assert flaws(tmp_path, Part(b"x", b"one"), GOOD, Part(b"x", b"two")) == [Flaw.DAMAGED, None, Flaw.DAMAGED]


class TestOverlaps:
    def test_two_entries_of_one_place_are_damaged(self, tmp_path: Path) -> None:
        parts = [Part(b"a", b"data"), Part(b"b", b"data", offset=0), GOOD]
        assert flaws(tmp_path, *parts) == [Flaw.DAMAGED, Flaw.DAMAGED, None]  # b's own header is a's

    def test_a_quoted_member_is_damaged_and_so_is_what_quotes_it(self, tmp_path: Path) -> None:
        inner = Part(b"in", b"x" * 50)
        outer = Part(b"out", inner.local_part())
        head = len(outer.local_part()) - len(outer.data)
        archive = [outer, Part(b"in", b"x" * 50, offset=head), GOOD]
        assert flaws(tmp_path, *archive) == [Flaw.DAMAGED, Flaw.DAMAGED, None]

    def test_all_that_a_long_member_reaches_over_are_damaged(self, tmp_path: Path) -> None:
        quoted = [Part(b"q%d" % place, b"x" * 9) for place in range(4)]
        outer = Part(b"out", b"".join(part.local_part() for part in quoted))
        place = len(outer.local_part()) - len(outer.data)
        listed = []
        for part in quoted:
            listed.append(Part(part.name, part.data, offset=place))
            place += len(part.local_part())
        assert flaws(tmp_path, outer, *listed, GOOD) == [Flaw.DAMAGED] * 5 + [None]

    def test_members_side_by_side_are_not(self, tmp_path: Path) -> None:
        assert flaws(tmp_path, *(Part(b"%d" % place, b"") for place in range(20))) == [None] * 20


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"PK\x05\x06", id="only-a-signature"),
        pytest.param(make([GOOD])[:-1], id="cut-off"),
        pytest.param(make([GOOD])[:30], id="cut-off-early"),
        pytest.param(make([GOOD], size=2**32 - 1), id="directory-larger-than-the-file"),
        pytest.param(make([GOOD], size=10), id="directory-cut-in-an-entry"),
        pytest.param(make([GOOD], size=60), id="directory-begins-elsewhere"),
        pytest.param(make([Part(b"x", b"x", central={"name": b"y" * 9})]).replace(b"\x09\0\0\0", b"\xff\xff\0\0"),
                     id="name-beyond-the-directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_zip(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NoZip):
        read(tmp_path, content)


@pytest.mark.parametrize("count", [0, 2, 65535])
def test_the_number_of_entries_that_it_tells_does_not_matter(tmp_path: Path, count: int) -> None:
    assert flaws(tmp_path, GOOD, count=count) == [None]


def test_zip64_as_python_writes_it(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("streamed", "w", force_zip64=True) as member:
            member.write(b"hello" * 100)
        archive.writestr("plain", b"hello")
    members = read(tmp_path, buffer.getvalue())
    assert [members[name_digest(name)].flaw for name in ("streamed", "plain")] == [None, None]
    assert members[name_digest("streamed")].length == 500


@pytest.mark.parametrize("more", [b"", b"an extensible data sector"], ids=["plain", "extended"])
def test_a_zip64_end_record_counts_where_it_is(tmp_path: Path, more: bytes) -> None:
    content = make([GOOD])
    directory = content[content.index(b"PK\x01\x02") : -22]
    offset = len(content) - 22 - len(directory)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(directory), offset) + more
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, offset + len(directory), 1)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, IN_ZIP64, IN_ZIP64, 0)
    members = read(tmp_path, content[:-22] + end64 + locator + last)
    assert members[name_digest("good")].flaw is None


def commented(content: bytes, comment: bytes) -> bytes:
    """The archive with a comment."""
    return content[:-2] + struct.pack("<H", len(comment)) + comment


@pytest.mark.parametrize("content", [
    pytest.param(commented(make([GOOD]), b"made by hand"), id="comment"),
    pytest.param(commented(make([GOOD]), b"x" * 65535), id="longest-comment"),
    pytest.param(commented(make([GOOD]), b"see PK\x05\x06"), id="signature-in-the-comment"),
    pytest.param(commented(make([GOOD]), b"PK\x05\x06" * 9000), id="many-signatures-in-the-comment"),
    pytest.param(commented(make([GOOD]), b"see PK\x05\x06" + b"b" * 60), id="false-record-in-the-comment"),
    pytest.param(commented(make([GOOD]), b"four")[:-2], id="comment-cut-off"),
    pytest.param(make([GOOD]) + bytes(1000), id="padded"),
    pytest.param(make([GOOD]) + b"PK\x05\x06" + bytes(30), id="false-record-behind-it"),
    pytest.param(make([Part(b"other", b"other")]) + make([GOOD]), id="another-archive-before-it"),
])  # fmt: skip
def test_the_directory_is_found_whatever_is_around_it(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content).keys() == {name_digest("good")}
