"""The parameters of `GET /api/files`."""

from typing import Any

import pytest

from tests.conftest import Clock, Device, frame


@pytest.fixture
def shelf(device: Device, clock: Clock) -> Device:
    for number, name in enumerate(["b.txt", "A.txt", "ä.txt", "c.bin"]):
        device.store(b"x" * (4 - number), name)
        clock.advance(seconds=1)
    device.send(frame(0, b"x"), "a.bin", query={"total_size": 9})
    return device


def listed(device: Device, **query: Any) -> list[str]:
    return [file["filename"] for file in device.get("/api/files", query_string=query).get_json()["files"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["a.bin", "c.bin", "ä.txt", "A.txt", "b.txt"]),
        ({"sort": "created", "order": "asc"}, ["b.txt", "A.txt", "ä.txt", "c.bin", "a.bin"]),
        ({"sort": "name"}, ["A.txt", "a.bin", "b.txt", "c.bin", "ä.txt"]),
        ({"sort": "name", "order": "desc"}, ["ä.txt", "c.bin", "b.txt", "a.bin", "A.txt"]),
        ({"sort": "size"}, ["a.bin", "b.txt", "A.txt", "ä.txt", "c.bin"]),
        ({"order": "asc", "sort": "updated"}, ["b.txt", "A.txt", "ä.txt", "c.bin", "a.bin"]),
        ({"search": "Ä"}, ["ä.txt"]),
        ({"search": "A", "sort": "name"}, ["A.txt", "a.bin"]),
        ({"prefix": "a"}, ["a.bin"]),
        ({"status": "partial"}, ["a.bin"]),
        ({"status": "complete", "search": "BIN"}, ["c.bin"]),
        ({"status": "pending"}, []),
        ({"search": ""}, ["a.bin", "c.bin", "ä.txt", "A.txt", "b.txt"]),
    ],
)
def test_the_list_is_what_was_asked_for(shelf: Device, query: dict[str, str], names: list[str]) -> None:
    assert listed(shelf, **query) == names


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("sort=colour", "sort must be one of created, name, size, updated"),
        ("sort=", "sort must be one of created, name, size, updated"),
        ("sort=NAME", "sort must be one of created, name, size, updated"),
        ("order=up", "order must be one of asc, desc"),
        ("status=done", "status must be one of pending, partial, complete"),
        ("search=%00", "Invalid search"),
        ("prefix=a%0Ab", "Invalid prefix"),
        ("search=%FF", "The URL is not valid UTF-8"),
        ("name=a", "Unknown query parameter: name"),
        ("search=a&search=b", "Query parameter given more than once: search"),
    ],
)
def test_anything_else_is_400(shared_device: Device, query: str, detail: str) -> None:
    answer = shared_device.get(f"/api/files?{query}")
    assert (answer.status_code, answer.get_json()) == (400, {"detail": detail})


@pytest.mark.parametrize("sort", ["created", "name", "size", "updated"])
def test_pages_of_any_order_follow_one_another(shelf: Device, sort: str) -> None:
    query: dict[str, Any] = {"sort": sort, "limit": 2}
    found, cursor = list[str](), ""
    while cursor is not None:
        answer = shelf.get("/api/files", query_string=query | ({"cursor": cursor} if cursor else {})).get_json()
        found += [file["filename"] for file in answer["files"]]
        cursor = answer["next_cursor"]
    assert found == listed(shelf, sort=sort)


@pytest.mark.parametrize("other", [{}, {"sort": "name"}, {"search": "t"}, {"search": "x", "order": "asc"}])
def test_a_cursor_counts_only_with_the_query_that_gave_it(shelf: Device, other: dict[str, str]) -> None:
    cursor = shelf.get("/api/files?search=x&limit=1").get_json()["next_cursor"]
    assert shelf.get("/api/files", query_string={"search": "x", "cursor": cursor, "limit": 3}).status_code == 200
    answer = shelf.get("/api/files", query_string={**other, "cursor": cursor})
    assert (answer.status_code, answer.get_json()) == (400, {"detail": "Invalid cursor"})
