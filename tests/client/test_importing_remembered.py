"""Digests that imports remember: a help that may be missing, damaged or out of reach."""

from contextlib import closing
from pathlib import Path

import pytest
from transfer_service_client.importers.remembered import RememberedDigests

VERSION = ("s3", "bucket", "caf\u00e9 \udcff", 5, '"etag"')


def test_a_digest_is_found_by_its_version_and_no_other(tmp_path: Path) -> None:
    with closing(RememberedDigests(tmp_path / "new/imports.sqlite3")) as digests:
        digests.keep(VERSION, "ab")
    with closing(RememberedDigests(tmp_path / "new/imports.sqlite3")) as digests:
        assert digests.find(VERSION) == "ab"
        assert digests.find((*VERSION[:-1], '"other"')) is None


def test_a_damaged_one_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "imports.sqlite3").write_bytes(b"no database" * 1000)
    with closing(RememberedDigests(tmp_path / "imports.sqlite3")) as digests:
        digests.keep(VERSION, "ab")
        assert digests.find(VERSION) == "ab"


@pytest.mark.parametrize(
    "place", ["/dev/null/imports.sqlite3", "/proc/imports.sqlite3"], ids=["no-folder", "read-only"]
)
def test_one_that_cannot_be_written_remembers_nothing(place: str) -> None:
    with closing(RememberedDigests(Path(place))) as digests:
        digests.keep(VERSION, "ab")
        assert digests.find(VERSION) is None
