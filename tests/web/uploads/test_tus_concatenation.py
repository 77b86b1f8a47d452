"""`Upload-Concat`: a file of several uploads, which may still be under way (tus concatenation)."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import MakeApp, SignIn, signed_in
from tests.web.uploads.bench import UNKNOWN, Headers, Tus, id_of, left_on, metadata, tus_refusal

PARTIAL = {"Upload-Concat": "partial"}
DEFERRED = {**PARTIAL, "Upload-Length": None, "Upload-Defer-Length": "1"}


def final(*locations: str, **names: str) -> dict[str, str | None]:
    """The headers of a final upload."""
    named = metadata(**names) if names else {}
    return {"Upload-Length": None, "Upload-Concat": f"final;{' '.join(locations)}", **named}


def parts_of(tus: Tus) -> tuple[str, str]:
    """Two whole parts."""
    return tus.begin(PARTIAL, b"hello"), tus.begin({**PARTIAL, "Upload-Length": "6"}, b" world")


@pytest.mark.parametrize("data", [b"hel", b"hello"], ids=["unfinished", "whole"])
def test_a_part_is_no_file(tus: Tus, data: bytes) -> None:
    response = tus.post({**PARTIAL, **metadata(filename="part.bin")}, data)
    assert (response.status_code, "X-File-Id" in response.headers) == (201, False)
    assert "part.bin" not in tus.device.names()
    assert tus.head(response.headers["Location"]).headers["Upload-Concat"] == "partial"


@pytest.mark.parametrize("reverse", [False, True], ids=["in-order", "the-other-way-round"])
def test_whole_parts_become_a_file_at_once(device: Device, reverse: bool) -> None:
    tus = Tus(device)
    parts = parts_of(tus)[:: -1 if reverse else 1]
    response = tus.post(final(*parts, filename="joined.txt"))
    location = response.headers["Location"]
    assert (response.status_code, response.headers["X-File-Id"]) == (201, str(id_of(location)))
    assert device.get("/api/files/download/joined.txt").data == (b" worldhello" if reverse else b"hello world")
    assert "Upload-Offset" not in response.headers


def test_the_final_upload_tells_its_parts_and_its_length(tus: Tus) -> None:
    parts = parts_of(tus)
    location = tus.begin(final(*parts))
    headers = tus.head(location).headers
    assert (headers["Upload-Offset"], headers["Upload-Length"]) == ("11", "11")
    assert headers["Upload-Concat"] == f"final;{parts[0]} {parts[1]}"
    assert "Upload-Defer-Length" not in headers


def test_spent_parts_are_gone_and_count_no_more(device: Device) -> None:
    tus = Tus(device)
    parts = parts_of(tus)
    tus.begin(final(*parts))
    assert [tus.head(each).status_code for each in parts] == [404, 404]
    assert left_on(device) == (1, 1, 11, 11, 1)


def test_the_metadata_of_the_parts_are_not_those_of_the_whole(device: Device) -> None:
    tus = Tus(device)
    part = tus.begin({**PARTIAL, **metadata(filename="part.bin")}, b"hello")
    location = tus.begin(final(part))
    assert device.names() == [str(id_of(location))]
    assert "Upload-Metadata" not in tus.head(location).headers


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda part: part, id="path"),
        pytest.param(lambda part: f"http://localhost{part}", id="url"),
        pytest.param(lambda part: f"https://files.example:8443/behind/a/proxy{part}", id="url-behind-a-proxy"),
        pytest.param(lambda part: f"/behind{part}", id="path-behind-a-proxy"),
        pytest.param(lambda part: part.rpartition("/")[2], id="relative"),
        pytest.param(lambda part: f"uploads/{part.rpartition('/')[2]}", id="relative-to-the-api"),
    ],
)
def test_parts_are_named_by_any_url_of_theirs(tus: Tus, spell: Callable[[str], str]) -> None:
    part = tus.begin(PARTIAL, b"hello")
    response = tus.post(final(spell(part)))
    assert (response.status_code, "X-File-Id" in response.headers) == (201, True)


def test_a_part_of_no_bytes_is_a_part(tus: Tus) -> None:
    empty = tus.begin({**PARTIAL, "Upload-Length": "0"})
    location = tus.begin(final(empty, tus.begin(PARTIAL, b"hello"), tus.begin({**PARTIAL, "Upload-Length": "0"})))
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == b"hello"


def test_a_file_of_nothing_but_empty_parts_is_empty(tus: Tus) -> None:
    location = tus.begin(final(tus.begin({**PARTIAL, "Upload-Length": "0"})))
    assert tus.offset(location) == "0"
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == b""


def test_unfinished_parts_become_a_file_when_the_last_one_is_whole(tus: Tus) -> None:
    first, second = tus.begin(PARTIAL, b"hel"), tus.begin(PARTIAL)
    location = tus.begin(final(first, second))
    waiting = tus.head(location).headers
    assert ("Upload-Offset" in waiting, waiting["Upload-Length"]) == (False, "10")
    tus.patch(second, b"world")
    tus.patch(first, b"lo", offset=3)
    assert tus.head(location).headers["X-File-Id"] == str(id_of(location))
    assert tus.device.get(f"/api/files/{id_of(location)}/download").data == b"helloworld"


def test_a_length_that_no_part_knows_yet_is_not_told(tus: Tus) -> None:
    part = tus.begin(DEFERRED, b"hel")
    location = tus.begin(final(part))
    headers = tus.head(location).headers
    assert not {"Upload-Length", "Upload-Offset", "Upload-Defer-Length"} & set(headers.keys())
    tus.patch(part, b"lo", {"Upload-Length": "5"}, offset=3)
    assert tus.head(location).headers["Upload-Length"] == "5"


def test_the_same_request_again_is_the_same_upload(tus: Tus) -> None:
    headers = final(*parts_of(tus))
    location = tus.begin(headers)
    before = left_on(tus.device)
    assert tus.begin(headers) == location
    assert left_on(tus.device) == before


def test_a_final_upload_expires_with_its_parts(device: Device, clock: Clock) -> None:
    tus = Tus(device)
    part = tus.begin(PARTIAL, b"hel")
    location = tus.begin(final(part))
    clock.advance(hours=24)
    assert [tus.head(each).status_code for each in (part, location)] == [404, 404]


def test_a_final_upload_can_be_cancelled_without_its_parts(tus: Tus) -> None:
    part = tus.begin(PARTIAL, b"hel")
    location = tus.begin(final(part))
    assert tus.delete(location).status_code == 204
    assert (tus.head(location).status_code, tus.offset(part)) == (404, "3")


def test_a_final_upload_whose_part_is_cancelled_can_never_be_whole(tus: Tus) -> None:
    first, second = tus.begin(PARTIAL, b"hello"), tus.begin(PARTIAL, b"hel")
    location = tus.begin(final(first, second))
    tus.delete(second)
    assert tus.head(location).status_code == 404
    assert tus.offset(first) == "5"


@pytest.mark.parametrize("data", [b"hello", b"", b"lo"])
def test_a_final_upload_takes_no_bytes(tus: Tus, data: bytes) -> None:
    part = tus.begin(PARTIAL, b"hel")
    waiting = tus.begin(final(part))
    made = tus.begin(final(*parts_of(tus)))
    before = left_on(tus.device)
    refused = [tus_refusal(tus.patch(each, data))[0] for each in (waiting, made)]
    assert refused == [403, 403]
    assert (left_on(tus.device), tus.offset(part), tus.offset(made)) == (before, "3", "11")


def gone(tus: Tus) -> str:
    part = tus.begin(PARTIAL, b"hello")
    tus.delete(part)
    return part


def spent(tus: Tus) -> str:
    part = tus.begin(PARTIAL, b"hello")
    tus.begin(final(part, tus.begin(PARTIAL, b"hello")))
    return part


def twice(tus: Tus) -> str:
    part = tus.begin(PARTIAL, b"hello")
    return f"{part} {part}"


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        pytest.param(lambda _: "", {}, 400, id="no-part"),
        pytest.param(lambda _: " ", {}, 400, id="only-a-blank"),
        pytest.param(lambda _: UNKNOWN, {}, 400, id="unknown"),
        pytest.param(lambda _: "nonsense", {}, 400, id="no-id"),
        pytest.param(lambda tus: tus.begin(PARTIAL).replace("uploads", "files"), {}, 400, id="another-path"),
        pytest.param(lambda tus: tus.begin(PARTIAL) + "?a=b", {}, 400, id="with-a-query"),
        pytest.param(lambda tus: tus.begin(), {}, 400, id="no-part-but-an-upload"),
        pytest.param(lambda tus: tus.begin(None, b"hello"), {}, 400, id="no-part-but-a-file"),
        pytest.param(gone, {}, 400, id="gone"),
        pytest.param(spent, {}, 400, id="spent"),
        pytest.param(twice, {}, 400, id="the-same-twice"),
        pytest.param(lambda tus: f"{tus.begin(PARTIAL)} {UNKNOWN}", {}, 400, id="one-known-one-not"),
        pytest.param(lambda tus: tus.begin(final(tus.begin(PARTIAL))), {}, 400, id="a-final-one"),
        pytest.param(lambda tus: tus.begin(PARTIAL), {"Upload-Length": "5"}, 400, id="with-a-length"),
        pytest.param(lambda tus: tus.begin(PARTIAL), {"Upload-Defer-Length": "1"}, 400, id="with-a-length-later"),
        pytest.param(lambda tus: tus.begin(PARTIAL), {"Tus-Resumable": "2.0.0"}, 412, id="another-version"),
        pytest.param(lambda tus: tus.begin(PARTIAL), metadata(filename="a/../b"), 400, id="bad-name"),
    ],
)
def test_a_refused_concatenation_leaves_its_parts(
    tus: Tus, name: Callable[[Tus], str], headers: Headers, status: int
) -> None:
    concat = final(name(tus))
    before = left_on(tus.device)
    response = tus.post({**concat, **headers})
    assert tus_refusal(response)[0] == status
    assert left_on(tus.device) == before


def test_another_account_s_parts_are_unknown(tus: Tus, shared_app: Flask) -> None:
    part = tus.begin(PARTIAL, b"hello")
    bob = Tus(signed_in(shared_app, "bob"))
    assert tus_refusal(bob.post(final(part))) == tus_refusal(bob.post(final(UNKNOWN)))
    assert tus.offset(part) == "5"


def test_bytes_cannot_come_along_with_a_concatenation(tus: Tus) -> None:
    part = tus.begin(PARTIAL, b"hello")
    before = left_on(tus.device)
    assert tus_refusal(tus.post(final(part), b"hello")) == (403, "A final upload takes no bytes of its own")
    assert left_on(tus.device) == before


def test_a_whole_past_the_limit_is_refused(make_app: MakeApp, sign_in: SignIn) -> None:
    tus = Tus(sign_in(make_app(max_file_bytes=10), "alice"))
    before_parts = parts_of(tus)
    before = left_on(tus.device)
    assert tus_refusal(tus.post(final(*before_parts)))[0] == 413
    assert left_on(tus.device) == before


def test_a_whole_needs_no_more_room_than_its_parts(make_app: MakeApp, sign_in: SignIn) -> None:
    tus = Tus(sign_in(make_app(quota_bytes=11), "alice"))
    location = tus.begin(final(*parts_of(tus)))
    assert (tus.offset(location), left_on(tus.device).used_bytes) == ("11", 11)


def test_a_final_upload_replaces_a_file_if_it_is_told_to(device: Device) -> None:
    device.store(b"old", "log.bin")
    tus = Tus(device)
    tus.begin(final(*parts_of(tus), filename="log.bin", overwrite="true"))
    assert device.names() == ["log.bin"]
    assert device.get("/api/files/download/log.bin").data == b"hello world"
