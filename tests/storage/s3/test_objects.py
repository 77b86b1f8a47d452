"""Calls to an object store, on a real one."""

import os
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import requests

from transfer_service.errors import BlobMissing, StoreUnavailable
from transfer_service.storage.s3.failures import ObjectChanged
from transfer_service.storage.s3.objects import MIN_PART_BYTES, Objects
from transfer_service.wire.ranges import Span
from transfer_service.wire.store_addresses import StoreAddress

MIB = 1024 * 1024


@pytest.fixture
def name(store_address: StoreAddress) -> str:
    return f"{store_address.prefix}/a"


def test_what_was_put_is_read_whole_and_in_spans(objects: Objects, name: str) -> None:
    data = os.urandom(3 * MIB + 17)
    assert objects.put(name, [data[:100], memoryview(data)[100 : 2 * MIB], b"", data[2 * MIB :]])
    assert objects.get(name, 0, len(data)) == data
    assert objects.get(name, 5, 9) == data[5:9]
    assert objects.get(name, len(data) - 3, len(data) + 100) == data[-3:]
    assert objects.get(name, 7, 7) == objects.get(name, len(data), len(data) + 1) == b""
    facts = objects.head(name)
    assert facts is not None
    assert (facts.name, facts.size) == (name, len(data))
    assert abs(datetime.now(UTC) - facts.modified_at) < timedelta(minutes=1)
    assert abs(datetime.now(UTC) - objects.now()) < timedelta(minutes=1)


def test_one_call_brings_bytes_and_facts(objects: Objects, name: str) -> None:
    objects.put(name, [b"0123456789"])
    data, facts = objects.get_with_facts(name, 2, 5)
    assert (data, facts) == (b"234", objects.head(name))


def test_an_empty_object_has_no_bytes(objects: Objects, name: str) -> None:
    objects.put(name, [])
    facts = objects.head(name)
    assert facts is not None and facts.size == 0
    assert objects.get(name, 0, 10) == b""


def test_what_is_not_there_is_missing(objects: Objects, name: str) -> None:
    assert objects.head(name) is None
    objects.delete([name])
    for call in (lambda: objects.get(name, 0, 1), lambda: objects.copy(name, f"{name}2")):
        with pytest.raises(BlobMissing):
            call()


def test_bytes_of_two_objects_are_never_mixed(objects: Objects, name: str) -> None:
    objects.put(name, [b"first"])
    facts = objects.head(name)
    assert facts is not None
    objects.put(name, [b"other"])
    with pytest.raises(ObjectChanged):
        objects.get(name, 0, 3, etag=facts.etag)


def test_only_the_first_gets_a_new_name(objects: Objects, name: str) -> None:
    assert objects.put(name, [b"1"], only_new=True)
    assert not objects.put(name, [b"2"], only_new=True)
    assert objects.get(name, 0, 9) == b"1"


def test_objects_are_listed_page_by_page_and_removed(objects: Objects, store_address: StoreAddress) -> None:
    names = [f"{store_address.prefix}/many/{number:04}" for number in range(1003)]
    waits = [objects.begin(partial(Objects.put, name=each, blocks=[b"x"])) for each in names]
    assert all(wait() for wait in waits)
    pages = list(objects.list(f"{store_address.prefix}/many/"))
    assert max(map(len, pages)) <= 1000
    assert [facts.name for page in pages for facts in page] == names
    assert [
        facts.name for page in objects.list(f"{store_address.prefix}/many/", after=names[1000]) for facts in page
    ] == names[1001:]
    objects.delete([*names, f"{store_address.prefix}/never"])
    assert list(objects.list(f"{store_address.prefix}/many/")) == [[]]


def test_parts_are_joined_whether_sent_or_copied(objects: Objects, name: str) -> None:
    data = os.urandom(2 * MIN_PART_BYTES)
    objects.put(f"{name}source", [data])
    upload_id = objects.begin_multipart(name)
    parts = [
        objects.put_part(name, upload_id, 1, [data[:MIB], data[MIB:]]),
        objects.copy_part(name, upload_id, 2, f"{name}source", Span(7, 7 + MIN_PART_BYTES)),
        objects.put_part(name, upload_id, 3, [b"tail"]),
    ]
    assert [each.upload_id for page in objects.multiparts(name) for each in page] == [upload_id]
    assert objects.head(name) is None
    objects.complete(name, upload_id, parts)
    expected = data + data[7 : 7 + MIN_PART_BYTES] + b"tail"
    assert objects.get(name, 0, len(expected) + 1) == expected
    objects.complete(name, upload_id, parts)  # as a try does whose first answer was lost
    assert list(objects.multiparts(name)) == [[]]


def test_what_is_given_up_leaves_nothing(objects: Objects, name: str) -> None:
    upload_id = objects.begin_multipart(name)
    part = objects.put_part(name, upload_id, 1, [b"x"])
    objects.abort(name, upload_id)
    objects.abort(name, upload_id)
    assert list(objects.multiparts(name)) == [[]]
    with pytest.raises(BlobMissing):
        objects.complete(name, upload_id, [part])
    with pytest.raises(BlobMissing):
        objects.put_part(name, upload_id, 1, [b"x"])


def test_a_signed_address_gives_the_object_with_the_chosen_headers(objects: Objects, name: str) -> None:
    objects.put(name, [b"0123456789"])
    headers = {
        "Content-Type": "text/x-own",
        "Content-Disposition": 'attachment; filename="a b.txt"',
        "Cache-Control": "private",
    }
    url = objects.signed_url(name, seconds=60, headers=headers)
    answer = requests.get(url, headers={"Range": "bytes=2-4"}, timeout=10)
    assert (answer.status_code, answer.content) == (206, b"234")
    assert {field: answer.headers[field] for field in headers} == headers
    assert requests.get(url.replace("Signature=", "Signature=0"), timeout=10).status_code == 403


def test_a_large_object_is_copied_in_parts(objects: Objects, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(11 * MIB)
    objects.put(name, [data])
    monkeypatch.setattr("transfer_service.storage.s3.objects._COPIED_WHOLE_BYTES", MIN_PART_BYTES)
    monkeypatch.setattr("transfer_service.storage.s3.objects._COPIED_AT_ONCE", 2)
    objects.copy(name, f"{name}/copy")
    assert objects.get(f"{name}/copy", 0, len(data) + 1) == data


def test_wrong_credentials_are_the_store_being_unavailable(
    store_address: StoreAddress, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not the one")
    with pytest.raises(StoreUnavailable):
        Objects(store_address).put(name, [b"x"])
    told = "".join(capsys.readouterr())
    assert "SignatureDoesNotMatch" in told
    assert not any(word in told for word in ("not the one", "AWS4", "Credential", name))
