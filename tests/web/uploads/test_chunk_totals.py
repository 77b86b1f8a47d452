"""How large a file of 17-byte chunks is: totals that are given, inferred or late, and the limits on them."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device, frame
from tests.web.forms import file_form, form, part

FILE = part("file", frame(0, b"hello"), filename=b"c")
TOTAL = part("total_size", b"9")
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        pytest.param("", {"data": frame(0, b"hello"), "headers": {"Content-Range": "bytes 0-4/9"}}, id="content-range"),
        pytest.param("&total_size=9", {"data": frame(0, b"hello")}, id="query"),
        pytest.param("&total_size=9", form(FILE), id="query-of-a-form"),
        pytest.param("", {**form(FILE), "headers": {"Content-Range": "bytes 0-4/9"}}, id="content-range-of-a-form"),
        pytest.param("", form(TOTAL, FILE), id="field-before-the-file"),
        pytest.param("", form(FILE, TOTAL), id="field-behind-the-file"),
        pytest.param(
            "&total_size=9",
            {"data": frame(0, b"hello"), "headers": {"Content-Range": "bytes 0-4/*"}},
            id="query-where-the-content-range-has-a-star",
        ),
        pytest.param(
            "&total_size=12",
            {"data": frame(0, b"hello"), "headers": {"Content-Range": "bytes 0-4/9"}},
            id="content-range-before-query",
        ),
    ],
)
def test_the_total_is_taken_from_where_the_client_put_it(
    device: Device, target: str, arguments: dict[str, Any]
) -> None:
    response = device.post(f"/api/files/upload?filename=log.bin{target}", **arguments)
    assert (response.status_code, response.get_json()["total_bytes"]) == (200, 9)
    assert device.status()["missing"] == [{"start": 5, "end": 8}]


@pytest.mark.parametrize(
    "headers",
    [pytest.param({}, id="nothing-said"), pytest.param({"Content-Range": "bytes 0-4/*"}, id="star")],
)
def test_without_a_total_the_file_ends_at_its_highest_byte(device: Device, headers: dict[str, str]) -> None:
    response = device.send(frame(0, b"hello"), headers=headers)
    assert (response.get_json()["status"], response.get_json()["total_bytes"]) == ("complete", 5)
    assert device.get("/api/files/download/log.bin").data == b"hello"


def test_an_inferred_file_with_a_gap_is_partial(device: Device) -> None:
    answer = device.send(frame(5, b" world")).get_json()
    assert (answer["status"], answer["total_bytes"], answer["next_expected_byte"]) == ("partial", 11, 0)
    assert device.status()["missing"] == [{"start": 0, "end": 4}]


def test_a_chunk_past_an_inferred_end_reopens_and_extends_the_file(device: Device) -> None:
    first = device.send(frame(0, b"hello")).get_json()
    reopened = device.send(frame(7, b"w")).get_json()
    assert (reopened["status"], reopened["total_bytes"], reopened["sha256"]) == ("partial", 8, None)
    assert reopened["file_id"] == first["file_id"]
    assert device.get("/api/files/download/log.bin").status_code == 404


def test_a_reopened_file_completes_again_with_all_its_bytes(device: Device) -> None:
    old = device.send(frame(0, b"hello")).get_json()
    new = device.send(frame(5, b" world")).get_json()
    assert (new["status"], new["total_bytes"]) == ("complete", 11)
    assert new["sha256"] != old["sha256"]
    assert device.get("/api/files/download/log.bin").data == b"hello world"


def test_other_bytes_within_an_inferred_complete_file_are_409(device: Device) -> None:
    device.send(frame(0, b"hello"))
    assert device.send(frame(3, b"xx")).status_code == 409
    assert device.get("/api/files/download/log.bin").data == b"hello"


def test_a_late_total_reopens_an_inferred_file(device: Device) -> None:
    device.send(frame(0, b"hello"))
    response = device.send(frame(0, b"hello"), query={"total_size": 11})
    assert (response.get_json()["status"], response.get_json()["total_bytes"]) == ("partial", 11)
    assert device.send(frame(5, b" world")).get_json()["status"] == "complete"


def test_a_late_total_that_fits_fixes_an_inferred_file(device: Device) -> None:
    device.send(frame(0, b"hello"))
    response = device.send(frame(4, b"o"), query={"total_size": 5})
    assert (response.get_json()["status"], response.get_json()["total_bytes"]) == ("complete", 5)
    assert device.send(frame(5, b"!")).status_code == 409


@pytest.mark.parametrize(
    ("earlier", "query"),
    [
        pytest.param({"total_size": 9}, {"total_size": 10}, id="larger-than-the-earlier-one"),
        pytest.param({"total_size": 9}, {"total_size": 8}, id="smaller-than-the-earlier-one"),
        pytest.param({}, {"total_size": 6}, id="smaller-than-what-is-stored"),
    ],
)
def test_a_total_that_disagrees_is_400(device: Device, earlier: dict[str, int], query: dict[str, int]) -> None:
    device.send(frame(2, b"hello"), query=earlier)
    before = device.status()
    response = device.send(frame(0, b"ab"), query=query)
    assert (response.status_code, response.get_json()) == (
        400,
        {"detail": "Total size does not match the one given earlier"},
    )
    assert device.status() == before


def test_a_later_chunk_without_a_total_keeps_the_earlier_one(device: Device) -> None:
    device.send(frame(0, b"hello"), query={"total_size": 9})
    response = device.send(frame(5, b"ab"))
    assert (response.get_json()["status"], response.get_json()["total_bytes"]) == ("partial", 9)
    assert device.status()["next_expected_byte"] == 7


@pytest.mark.parametrize("value", ["", "-1", "1.5", "ten", "0x10", " 5", "+5", "\N{ARABIC-INDIC DIGIT FIVE}"])
@pytest.mark.parametrize("place", ["query", "field"])
def test_a_total_size_that_is_no_number_is_400(shared_device: Device, place: str, value: str) -> None:
    if place == "query":
        response = shared_device.send(frame(0, b"hello"), query={"total_size": value})
    else:
        fields = part("total_size", value.encode())
        response = shared_device.post("/api/files/upload?filename=log.bin", **form(fields, FILE))
    assert (response.status_code, response.get_json()) == (400, {"detail": "Invalid total_size"})
    assert shared_device.names() == []


@pytest.mark.parametrize(
    "value",
    [pytest.param(b"none", id="no-number"), pytest.param(b"4", id="too-small"), pytest.param(b"\xff", id="bytes")],
)
def test_a_bad_total_behind_the_file_part_stores_nothing(shared_device: Device, value: bytes) -> None:
    response = shared_device.post("/api/files/upload?filename=log.bin", **form(FILE, part("total_size", value)))
    assert response.status_code in {400, 413}
    assert shared_device.names() == []


def test_a_byte_past_the_total_is_413_and_the_offset_stays(device: Device) -> None:
    device.send(frame(0, b"hello"), query={"total_size": 9})
    response = device.send(frame(5, b"world"))
    assert (response.status_code, list(response.get_json())) == (413, ["detail"])
    assert device.status()["next_expected_byte"] == 5


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        pytest.param(frame(0, b"x" * 11), {}, id="data"),
        pytest.param(frame(10, b"x"), {}, id="range"),
        pytest.param(frame(2**63, b"x"), {}, id="range-beyond-signed-numbers"),
        pytest.param(frame(2**64 - 2, b"x"), {}, id="range-beyond-everything"),
        pytest.param(frame(0, b"x"), {"query": {"total_size": 11}}, id="total"),
        pytest.param(frame(0, b"x"), {"query": {"total_size": "1" * 20}}, id="total-of-twenty-digits"),
        pytest.param(frame(0, b"x"), {"headers": {"Content-Range": "bytes 0-0/11"}}, id="total-in-content-range"),
        pytest.param(frame(0, b"x"), {"headers": {"Content-Range": f"bytes 0-0/{10**19}"}}, id="huge-total"),
    ],
)
def test_a_file_over_the_limit_is_413(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device], body: bytes, arguments: dict[str, Any]
) -> None:
    device = sign_in(make_app(max_file_bytes=10), "alice")
    response = device.send(body, **arguments)
    assert (response.status_code, response.get_json()) == (413, {"detail": "File exceeds the maximum size"})
    assert device.names() == []


def test_a_file_of_exactly_the_limit_is_taken(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]
) -> None:
    device = sign_in(make_app(max_file_bytes=10), "alice")
    assert device.send(frame(0, b"x" * 10), query={"total_size": 10}).status_code == 200
    assert device.status()["status"] == "complete"


def test_a_form_over_the_limit_is_413(make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]) -> None:
    device = sign_in(make_app(max_file_bytes=10), "alice")
    response = device.post("/api/files/upload?filename=log.bin", **file_form(frame(0, b"x" * 11)))
    assert (response.status_code, response.get_json()) == (413, {"detail": "File exceeds the maximum size"})
    assert device.names() == []


def test_the_quota_counts_reserved_lengths(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]
) -> None:
    device = sign_in(make_app(quota_bytes=10), "alice")
    device.send(frame(0, b"x"), "first.bin", query={"total_size": 8})
    response = device.send(frame(0, b"abc"), "second.bin")
    assert (response.status_code, response.get_json()) == (413, {"detail": "Storage quota exceeded"})
    assert device.names() == ["first.bin"]


def test_an_upload_over_the_quota_keeps_its_offset_and_resumes_once_there_is_room(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]
) -> None:
    device = sign_in(make_app(quota_bytes=10), "alice")
    device.store(b"12345", "old.bin")
    device.send(frame(0, b"hello"))
    assert device.send(frame(5, b" world")).status_code == 413
    assert device.status()["next_expected_byte"] == 5
    device.delete("/api/files/old.bin")
    assert device.send(frame(5, b" wor")).status_code == 200


def test_another_accounts_files_take_no_room(
    make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]
) -> None:
    app = make_app(quota_bytes=10)
    sign_in(app, "alice").store(b"x" * 10)
    assert sign_in(app, "bob").send(frame(0, b"y" * 10)).status_code == 200
    assert sign_in(app, "alice").send(frame(0, b"y"), "more.bin").status_code == 413
