"""What breaks folders elsewhere: paths that are other calls, look alike, are too long, or change while being read."""

import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from tests.conftest import Device, frame
from tests.web.files.test_folders import DOORS, folder, folders, listed, put, refusal, tus
from tests.web.uploads.bench import Tus, left_on, metadata

BAD_PATHS = [
    pytest.param("a//b", id="empty-label"),
    pytest.param("/", id="slash"),
    pytest.param("a/", id="slash-behind"),
    pytest.param("a/../b", id="two-dots"),
    pytest.param("./b", id="dot"),
    pytest.param("a\\b/c", id="backslash"),
    pytest.param("a/b\x00c", id="nul"),
    pytest.param("a\x85/b", id="control"),
    pytest.param("/".join("a" * 17), id="17-labels"),
    pytest.param("/".join(["a" * 255] * 4) + "/b", id="1025-bytes"),
    pytest.param("a/" + "b" * 256, id="256-bytes"),
    pytest.param("a/" + "é" * 128, id="256-bytes-of-utf-8"),
    pytest.param("a" * 70_000, id="very-long"),
]
Use = Callable[[Device, str], TestResponse]
OTHERS: dict[str, Use] = {
    "rename": lambda device, name: device.request(
        "PATCH", f"/api/files/{put(device, 'there')['file_id']}", json={"filename": name}
    ),
    "make": lambda device, name: device.post("/api/folders", json={"path": name}),
    "move": lambda device, name: device.request("PATCH", "/api/folders/old", json={"path": name}),
    "list": lambda device, name: device.get("/api/files", query_string={"folder": name}),
    "relative path": lambda device, name: tus(device, filename=name.rpartition("/")[2], relativePath=name),
    "length later": lambda device, name: Tus(device).post({"Upload-Defer-Length": "1", **metadata(filename=name)}),
}


@pytest.mark.parametrize("name", BAD_PATHS)
@pytest.mark.parametrize("door", [*DOORS, *OTHERS])
def test_a_bad_path_is_400_at_every_door(shared_device: Device, door: str, name: str) -> None:
    device = shared_device
    device.post("/api/folders", json={"path": "old"})
    answer = {**DOORS, **OTHERS}[door](device, name)
    assert answer.status_code == 400, answer.text
    assert (folders(device), set(device.names()) - {"there"}) == (["old"], set())
    replaced = device.get("/api/trash", query_string={"limit": 1000}).get_json()["files"]
    assert left_on(device).blobs == len(device.names()) + len(replaced)


@pytest.mark.parametrize("name", ["status/x", "download/x", "upload/x", "x/download", "status", "api/folders/x"])
def test_a_path_that_is_another_call_is_a_name_everywhere_else(device: Device, name: str) -> None:
    facts = put(device, name, b"hello")
    for url in (f"/download/{name}", f"/download/{quote(name, safe='')}", f"/api/files/download/{name}"):
        assert device.get(url).data == b"hello"
    assert device.get(f"/api/files/status/{name}").get_json()["file_id"] == facts["file_id"]
    assert device.get(f"/status/{name}").get_json()["status"] == "complete"
    assert device.get(f"/api/files/{facts['file_id']}/download").data == b"hello"
    assert device.get(f"/api/files/{facts['file_id']}").get_json()["filename"] == name
    assert device.send(frame(0, b"hello"), name).status_code == 200
    moved = device.request("PATCH", f"/api/files/{facts['file_id']}", json={"filename": f"a/{name}"})
    assert moved.get_json()["filename"] == f"a/{name}"
    assert device.request("PATCH", "/api/folders/a", json={"path": "download"}).status_code in (200, 409)
    assert device.delete(f"/api/files/{facts['file_id']}").status_code == 200
    assert device.names() == []


def test_a_percent_sign_is_decoded_once(device: Device) -> None:
    put(device, "a%2Fb", b"one label")
    put(device, "a/b", b"two labels")
    assert sorted(device.names()) == ["a%2Fb", "a/b"]
    assert device.get("/download/a%252Fb").data == b"one label"
    assert device.get("/download/a%2fb").data == device.get("/download/a/b").data == b"two labels"
    assert folder(device, "a%2Fb")[0] == 404
    assert (folders(device), device.delete("/api/folders/a%252Fb").status_code) == (["a"], 404)


def test_a_path_is_one_in_any_composition_and_not_in_any_case(device: Device) -> None:
    composed, decomposed = (unicodedata.normalize(form, "é/ö") for form in ("NFC", "NFD"))
    assert put(device, f"{decomposed}/x")["filename"] == f"{composed}/x"
    for path in (composed, decomposed):
        assert folder(device, path)[1]["path"] == composed
        assert listed(device, path) == ([], [f"{composed}/x"])
        assert device.post("/api/folders", json={"path": path}).status_code == 200
        assert device.request("PATCH", f"/api/folders/{quote(path)}", json={"path": decomposed}).status_code == 200
    assert listed(device, "é", search=unicodedata.normalize("NFD", "Ö")) == ([composed], [f"{composed}/x"])
    put(device, "case/x")
    put(device, "Case/x")
    assert folders(device) == ["Case", "case", "é", composed]
    assert refusal(device.request("PATCH", "/api/folders/case", json={"path": "Case"}))[0] == 409
    assert device.request("PATCH", "/api/folders/case", json={"path": "CASE"}).status_code == 200


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("%", (["w/100%"], ["w/100%/a_b"])),
        ("_", ([], ["w/100%/a_b"])),
        ("*", ([], ["w/a*b"])),
        ("[C", ([], ["w/[c]"])),
        ("\\", ([], [])),
        ("/", ([], ["w/100%/a_b", "w/100/ab"])),
        ("w", ([], [])),
        ("100/", ([], ["w/100/ab"])),
        ("100", (["w/100", "w/100%"], ["w/100%/a_b", "w/100/ab"])),
    ],
)
def test_a_search_in_a_folder_takes_every_character_as_it_is(
    device: Device, search: str, found: tuple[list[str], list[str]]
) -> None:
    for name in ("w/100%/a_b", "w/100/ab", "w/a*b", "w/[c]", "w%/x", "w_/y", "wx/z"):
        put(device, name)
    shown, files = listed(device, "w", search=search)
    assert (sorted(shown), sorted(files)) == found


def test_a_search_counts_what_is_behind_a_folder_whose_name_grows_when_it_is_folded(device: Device) -> None:
    for name in ("ß/plain", "ﬁ/ßx/deep", "ﬁ/other"):
        put(device, name)
    assert listed(device, "ß", search="s") == ([], [])
    assert listed(device, "ß", search="PLAIN") == ([], ["ß/plain"])
    assert listed(device, "ﬁ", search="fi") == ([], [])
    assert listed(device, "ﬁ", search="SSX") == (["ﬁ/ßx"], ["ﬁ/ßx/deep"])
    assert device.request("PATCH", f"/api/folders/{quote('ﬁ')}", json={"path": "Straße"}).status_code == 200
    assert listed(device, "Straße", search="ssx/d") == ([], ["Straße/ßx/deep"])
    assert listed(device, "Straße", search="strasse") == ([], [])


@pytest.mark.parametrize("is_under_way", [False, True])
@pytest.mark.parametrize(
    ("inside", "fits", "does_not"),
    [
        pytest.param(
            "f/x", "/".join(["b" * 255] * 3 + ["b" * 254]), "/".join(["b" * 255] * 3 + ["b" * 255]), id="bytes"
        ),
        pytest.param("f/" + "é" * 127, "/".join(["b" * 255] * 3), "/".join(["b" * 255] * 3 + ["bb"]), id="utf-8"),
        pytest.param("f/" + "/".join("abcd"), "/".join("b" * 12), "/".join("b" * 13), id="labels"),
    ],
)
def test_a_move_that_makes_names_too_long_changes_nothing(
    device: Device, inside: str, fits: str, does_not: str, is_under_way: bool
) -> None:
    location = Tus(device).begin(filename=inside)
    if not is_under_way:
        Tus(device).patch(location, b"hello")
    before = folders(device), device.names()
    answer = device.request("PATCH", "/api/folders/f", json={"path": does_not})
    assert refusal(answer) == (400, "A name in the folder would become too long")
    assert (folders(device), device.names()) == before
    assert device.request("PATCH", "/api/folders/f", json={"path": fits}).status_code == 200
    if is_under_way:
        Tus(device).patch(location, b"hello")
    assert device.names() == [fits + inside[1:]]
    assert device.get(f"/download/{quote(device.names()[0])}").data == b"hello"


@pytest.mark.parametrize("sort", ["created", "name", "size", "updated"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_show_what_stays_once_while_others_write(device: Device, sort: str, order: str) -> None:
    stays = [f"f/{number}" for number in (1, 3, 5)], [f"f/{number}.bin" for number in (2, 4, 6)]
    for name in [*(f"{path}/in" for path in stays[0]), *stays[1], "f/go/x", "f/gone.bin"]:
        put(device, name)
    changes: list[Callable[[], Any]] = [
        lambda: put(device, "f/0/new"),
        lambda: device.delete("/api/files/f/gone.bin"),
        lambda: device.request("PATCH", "/api/folders/f/go", json={"path": "f/4th"}),
        lambda: put(device, "f/3.bin"),
        lambda: device.delete("/api/folders/f/4th?recursive=true"),
        lambda: device.post("/api/folders", json={"path": "f/9/9"}),
        lambda: put(device, "f/9.bin"),
    ]
    shown: tuple[list[str], list[str]] = [], []
    cursor: str | None = ""
    while cursor is not None:
        query = {"folder": "f", "sort": sort, "order": order, "limit": 1, **({"cursor": cursor} if cursor else {})}
        page = device.get("/api/files", query_string=query).get_json()
        shown[0].extend(each["path"] for each in page["folders"])
        shown[1].extend(each["filename"] for each in page["files"])
        cursor = page["next_cursor"]
        if changes:
            changes.pop(0)()
    assert len(changes) < 3
    for kind, kept in zip(shown, stays, strict=True):
        assert len(kind) == len(set(kind))
        assert set(kept) <= set(kind)


def test_pages_of_a_folder_that_goes_end_with_404(device: Device) -> None:
    for number in range(3):
        put(device, f"f/{number}")
    page = device.get("/api/files?folder=f&limit=1").get_json()
    device.delete("/api/folders/f?recursive=true")
    assert device.get(f"/api/files?folder=f&limit=1&cursor={page['next_cursor']}").status_code == 404
