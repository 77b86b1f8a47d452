"""The pages of links, as far as their HTML and headers go; `tests/live` looks at them in a browser."""

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.sharing.visitors import HTML, JSON, PASSWORD, Visitor, share
from transfer_service.web.sharing.pages import FILES_A_PAGE

HOSTILE = "<script>alert(1)</script>'\"&.txt"


def test_a_page_lets_nothing_in_from_elsewhere(app: Flask, device: Device) -> None:
    link = share(device, device.store(b"hello", "a.txt")["file_id"])
    pages = [Visitor(app, each).get(headers=HTML) for each in (link, {"url": "/s/" + "a" * 32})]
    assert [page.status_code for page in pages] == [200, 404]
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.content_type == "text/html; charset=utf-8"
        assert page.headers["Cache-Control"] == "no-store"
        assert "style=" not in page.text


def test_names_are_shown_as_text(app: Flask, device: Device) -> None:
    names = [name.replace("/", "\u2215") for name in (HOSTILE, "x" * 250, "مرحبا 1.txt")]
    files = [device.store(b"hello", f"folder {number}/{name}")["file_id"] for number, name in enumerate(names)]
    page = Visitor(app, share(device, *files, name=HOSTILE)).get(headers=HTML).text
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3  # a title, a heading, a name, a label
    assert f'<bdi class="name">{names[1]}</bdi>' in page
    assert f'<bdi class="name">{names[2]}</bdi>' in page


def test_files_of_folders_stand_below_their_paths(app: Flask, device: Device) -> None:
    for name in ("day/a.txt", "day/hour/b.txt"):
        device.store(b"hello", name)
    page = Visitor(app, share(device, folders=["day"])).get(headers=HTML).text
    assert (
        page.index("<bdi>day</bdi>") < page.index(">a.txt<") < page.index("<bdi>day/hour</bdi>") < page.index(">b.txt<")
    )


def test_a_page_says_how_many_downloads_are_left(app: Flask, device: Device) -> None:
    file_id = device.store(b"hello")["file_id"]
    visitor = Visitor(app, share(device, file_id, max_downloads=3))
    assert "for 3 more downloads." in " ".join(visitor.get(headers=HTML).text.split())
    for _ in range(2):
        visitor.download(file_id)
    assert "for one more download." in " ".join(visitor.get(headers=HTML).text.split())
    assert "more download" not in Visitor(app, share(device, file_id)).get(headers=HTML).text


def test_a_page_says_what_the_archive_counts_where_there_is_one(app: Flask, device: Device) -> None:
    both = [device.store(b"hello", name)["file_id"] for name in ("a.txt", "b.txt")]

    def shown(*files: str, **fields: int) -> bool:
        return "The ZIP of all counts as one." in Visitor(app, share(device, *files, **fields)).get(headers=HTML).text

    assert [shown(*both, max_downloads=3), shown(both[0], max_downloads=3), shown(*both)] == [True, False, False]


def test_many_files_come_in_pages(app: Flask, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer_service.web.sharing.pages.FILES_A_PAGE", 2)
    files = [device.store(b"hello", f"{number}.txt")["file_id"] for number in range(5)]
    visitor = Visitor(app, share(device, *files))
    shown = [visitor.get(f"?page={page}", headers=HTML).text for page in ("", "2", "3", "99", "x", "-1", "9" * 5000)]
    assert [text.count('class="name"') for text in shown] == [2, 2, 1, 1, 2, 2, 2]
    assert "5 files" in shown[2]
    assert "Page 3 of 3" in shown[2]
    assert FILES_A_PAGE == 500


def test_errors_are_pages_for_people_alone(app: Flask, device: Device) -> None:
    file_id = device.store(b"hello")["file_id"]
    visitor = Visitor(app, share(device, file_id, password=PASSWORD))
    refused = visitor.get(f"/files/{file_id}", headers=HTML)
    assert (refused.status_code, refused.mimetype) == (403, "text/html")
    assert f'href="{visitor.path}"' in refused.text
    for headers in (JSON, {"Accept": "*/*"}, {}):
        assert visitor.get(f"/files/{file_id}", headers=headers).mimetype == "application/json"
    for method, path, status in (("POST", "", 405), ("GET", "/nothing", 404), ("GET", "/files", 404)):
        answers = visitor.ask(method, path, headers=HTML), visitor.ask(method, path)
        assert [(each.status_code, each.mimetype) for each in answers] == [
            (status, "text/html"),
            (status, "application/json"),
        ]
    assert app.test_client().get("/api/links", headers=HTML).mimetype == "application/json"


def test_the_page_is_what_comes_without_a_wish(app: Flask, device: Device) -> None:
    visitor = Visitor(app, share(device, device.store(b"hello")["file_id"]))
    for headers in ({}, {"Accept": "*/*"}):
        assert visitor.get(headers=headers).mimetype == "text/html"
    assert visitor.get(headers={"Accept": "application/json, text/html;q=0.5"}).mimetype == "application/json"


def test_a_page_speaks_the_language_of_its_visitor(app: Flask, device: Device) -> None:
    files = [device.store(b"x" * 1500, name)["file_id"] for name in ("a.txt", "b.txt")]
    visitor = Visitor(app, share(device, *files, max_downloads=2, name="{count} & <b>"))
    german = {**HTML, "Accept-Language": "de-AT, en;q=0.5"}
    page = visitor.get(headers=german)
    text = " ".join(page.text.split())
    assert "Accept-Language" in page.headers["Vary"]
    assert '<html lang="de" dir="ltr">' in text
    assert "2 Dateien, 3,0 kB.<br>" in text
    assert "</time>, für noch 2 Downloads. Das ZIP mit allen zählt als ein Download." in text
    assert "<h1><bdi>{count} &amp; &lt;b&gt;</bdi></h1>" in text
    assert 'aria-label="b.txt herunterladen">Herunterladen</a>' in text
    assert "Dieser Link führt nirgendwohin." in visitor.get("/nothing", headers=german).text
    assert '<html lang="en" dir="ltr">' in visitor.get(headers={**HTML, "Accept-Language": "tlh"}).text
