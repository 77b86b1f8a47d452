"""`/s/TOKEN`: what whoever has the address of a link gets, and what not."""

from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.conftest import MakeApp
from tests.web.sharing.visitors import HTML, JSON, PASSWORD, Visitor, share

DATA = b"0123456789" * 100


@pytest.fixture
def file_id(device: Device) -> str:
    stored: str = device.store(DATA, "day/photo 1.txt")["file_id"]
    return stored


def test_a_link_as_json(app: Flask, device: Device, file_id: str) -> None:
    link = share(device, file_id, name="Holidays")
    answer = Visitor(app, link).show()
    assert answer.get_json() == {
        "kind": "download",
        "name": "Holidays",
        "files": link["files"],
        "expires_at": link["expires_at"],
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.vary.as_set() >= {"accept", "cookie"}


def test_a_file_of_a_link(app: Flask, device: Device, file_id: str) -> None:
    visitor = Visitor(app, share(device, file_id))
    answer = visitor.download(file_id)
    assert (answer.status_code, answer.data) == (200, DATA)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="photo 1.txt"'
    assert answer.headers["ETag"] == device.get(f"/api/files/{file_id}/download").headers["ETag"]
    part = visitor.download(file_id, "bytes=5-9")
    assert (part.status_code, part.data, part.headers["Content-Range"]) == (206, b"56789", "bytes 5-9/1000")
    assert visitor.ask("HEAD", f"/files/{file_id}").headers["Content-Length"] == "1000"


def test_folders_in_a_link(app: Flask, device: Device, file_id: str) -> None:
    deep = device.store(b"deep", "day/hour/minute.txt")["file_id"]
    visitor = Visitor(app, share(device, folders=["day"]))
    assert [file["filename"] for file in visitor.show().get_json()["files"]] == [
        "day/photo 1.txt",
        "day/hour/minute.txt",
    ]
    assert visitor.download(deep).data == b"deep"
    assert device.request("PATCH", "/api/folders/day", json={"path": "night"}).status_code == 200
    assert visitor.download(file_id).status_code == 200
    assert device.delete("/api/folders/night?recursive=true").status_code == 204
    assert visitor.show().status_code == visitor.download(deep).status_code == 404


def test_whatever_is_gone_is_told_alike(app: Flask, device: Device, clock: Clock, file_id: str) -> None:
    other = device.store(b"other", "other.txt")["file_id"]
    taken_back, used_up, expired, empty = (
        share(device, other, **fields) for fields in ({}, {"max_downloads": 1}, {"expires_in": 5}, {})
    )
    unknown = {"url": "http://localhost/s/" + "a" * 32}
    device.delete(f"/api/links/{taken_back['id']}")
    Visitor(app, used_up, address="192.0.2.9").download(other)
    clock.advance(seconds=10)
    kept = share(device, file_id)
    answers = [Visitor(app, link).get(headers=JSON) for link in (unknown, taken_back, used_up, expired)]
    answers += [Visitor(app, link).download(other) for link in (unknown, taken_back, used_up, expired, kept)]
    assert device.delete("/api/files/other.txt").status_code == 200
    answers += [Visitor(app, empty).show(), Visitor(app, kept).download("no-uuid")]
    assert {(each.status_code, each.get_data()) for each in answers} == {(404, b'{"detail": "Link not found"}')}


# ---- passwords


def test_before_the_password_a_link_tells_nothing(app: Flask, device: Device, file_id: str) -> None:
    visitor = Visitor(app, share(device, file_id, password=PASSWORD, name="Secret name"))
    assert visitor.show().get_json() == {"kind": "download", "has_password": True}
    page = visitor.get(headers=HTML)
    assert (page.status_code, "Secret name" in page.text, "photo" in page.text) == (200, False, False)
    refused = visitor.download(file_id)
    assert (refused.status_code, refused.get_json()) == (403, {"detail": "Password required"})
    assert visitor.ask("HEAD", f"/files/{file_id}").status_code == 403


def test_the_password_opens_a_link_for_one_browser(app: Flask, device: Device, file_id: str) -> None:
    link = share(device, file_id, password=PASSWORD)
    visitor = Visitor(app, link)
    answer = visitor.unlock()
    assert (answer.status_code, answer.data) == (204, b"")
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", f"Path={visitor.path};"))
    assert "Secure" not in cookie
    assert visitor.download(file_id).data == DATA
    assert Visitor(app, link).download(file_id).status_code == 403


def test_a_cookie_opens_no_other_link(app: Flask, device: Device, file_id: str) -> None:
    visitor, other = (Visitor(app, share(device, file_id, password=PASSWORD), cookies=False) for _ in range(2))
    cookie = visitor.unlock().headers["Set-Cookie"].partition(";")[0]
    assert other.get(f"/files/{file_id}", headers={"Cookie": cookie}).status_code == 403
    assert visitor.get(f"/files/{file_id}", headers={"Cookie": cookie}).data == DATA


def test_behind_https_and_a_prefix_the_cookie_is_secure_and_for_this_link(make_app: MakeApp, sign_in: Any) -> None:
    app = make_app(public_url="https://files.example.com/base")
    device = sign_in(app, "alice")
    visitor = Visitor(app, share(device, device.store(b"hello")["file_id"], password=PASSWORD))
    visitor.path = visitor.path.removeprefix("/base")
    cookie = visitor.unlock().headers["Set-Cookie"]
    assert all(part in cookie for part in ("Secure", f"Path=/base{visitor.path};"))
    form = visitor.ask("POST", "/unlock", data={"password": PASSWORD})
    assert form.headers["Location"] == f"https://files.example.com/base{visitor.path}"


def test_a_form_leads_to_the_page(app: Flask, device: Device, file_id: str) -> None:
    visitor = Visitor(app, share(device, file_id, password=PASSWORD))
    wrong = visitor.ask("POST", "/unlock", data={"password": "open barley"}, headers=HTML)
    assert (wrong.status_code, "The password is wrong." in wrong.text) == (403, True)
    right = visitor.ask("POST", "/unlock", data={"password": PASSWORD}, headers=HTML)
    assert (right.status_code, right.headers["Location"]) == (303, f"http://localhost{visitor.path}")
    assert "photo 1.txt" in visitor.get(headers=HTML).text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"password": ""}, 400),
        ({"password": 123456}, 400),
        ({"password": "short"}, 400),
        ({"password": "open barley"}, 403),
        ({"password": "x" * 2000}, 403),
    ],
)
def test_passwords_that_open_nothing(app: Flask, device: Device, file_id: str, body: Any, status: int) -> None:
    visitor = Visitor(app, share(device, file_id, password=PASSWORD))
    answer = visitor.ask("POST", "/unlock", json=body)
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (status, False)


def test_ten_wrong_passwords_for_a_link_from_an_address(app: Flask, device: Device, file_id: str) -> None:
    link = share(device, file_id, password=PASSWORD)
    visitor = Visitor(app, link)
    assert [visitor.unlock("open barley").status_code for _ in range(10)] == [403] * 10
    refused = visitor.unlock()
    assert (refused.status_code, refused.headers["Retry-After"].isdigit()) == (429, True)
    page = visitor.ask("POST", "/unlock", data={"password": PASSWORD}, headers=HTML)
    assert (page.status_code, "Too many wrong passwords" in page.text) == (429, True)
    assert Visitor(app, link, address="192.0.2.2").unlock().status_code == 204
    assert Visitor(app, share(device, file_id, password=PASSWORD)).unlock().status_code == 204


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None], ids=["stranger", "sandbox", "no-origin"])
def test_a_strangers_page_opens_no_link_and_spends_no_guesses(
    app: Flask, device: Device, file_id: str, origin: str | None
) -> None:
    visitor = Visitor(app, share(device, file_id, password=PASSWORD))
    foreign = {"Sec-Fetch-Site": "cross-site", **({"Origin": origin} if origin else {})}
    for headers in (foreign, {**foreign, **HTML}):
        answer = visitor.ask("POST", "/unlock", data={"password": PASSWORD}, headers=headers)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)
        assert "Pages of this origin cannot open a link" in answer.text
    for _ in range(11):
        visitor.ask("POST", "/unlock", data={"password": "open barley"}, headers=foreign)
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert visitor.ask("POST", "/unlock", data={"password": PASSWORD}, headers=own).status_code == 303


def test_a_page_of_a_listed_origin_opens_a_link(make_app: MakeApp, sign_in: Any) -> None:
    app = make_app(cors_origins=["https://app.example"])
    device = sign_in(app, "alice")
    visitor = Visitor(app, share(device, device.store(b"hello")["file_id"], password=PASSWORD))
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}
    assert visitor.ask("POST", "/unlock", json={"password": PASSWORD}, headers=headers).status_code == 204


def test_fifty_wrong_passwords_from_an_address_over_all_links(app: Flask, device: Device, file_id: str) -> None:
    links = [share(device, file_id, password=PASSWORD) for _ in range(6)]
    for link in links[:5]:
        assert [Visitor(app, link).unlock("open barley").status_code for _ in range(10)] == [403] * 10
    assert Visitor(app, links[5]).unlock().status_code == 429
    assert Visitor(app, links[5], address="2001:db8::1").unlock().status_code == 204


def test_a_thousand_wrong_passwords_a_day_for_a_link(
    app: Flask, device: Device, file_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer_service.services.accounts.passwords.Passwords.verify", lambda *_: False)
    link = share(device, file_id, password=PASSWORD)
    for number in range(1000):
        visitor = Visitor(app, link, address=f"192.0.2.{number % 250 + 1}", cookies=False)
        assert visitor.unlock("open barley").status_code == 403
    refused = Visitor(app, link, address="198.51.100.1").unlock("open barley")
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 3600) == (429, True)


# ---- counting


def downloads(device: Device, link: dict[str, Any]) -> int:
    count: int = device.get(f"/api/links/{link['id']}").get_json()["downloads"]
    return count


def test_a_link_with_a_limit_gives_out_as_many_whole_files(app: Flask, device: Device, file_id: str) -> None:
    link = share(device, file_id, max_downloads=2)
    visitor = Visitor(app, link)
    assert [visitor.download(file_id).status_code for _ in range(3)] == [200, 200, 404]
    assert downloads(device, link) == 2
    assert visitor.show().status_code == 404


def test_ranges_of_one_client_are_one_download(app: Flask, device: Device, file_id: str) -> None:
    link = share(device, file_id, max_downloads=1)
    visitor = Visitor(app, link, cookies=False)
    parts = [visitor.download(file_id, f"bytes={start}-{start + 99}") for start in range(0, 1000, 100)]
    assert b"".join(part.data for part in parts) == DATA
    assert downloads(device, link) == 1
    again = visitor.download(file_id, "bytes=0-499,600-899")
    assert again.status_code == 206
    assert Visitor(app, link, address="192.0.2.2").download(file_id, "bytes=0-1").status_code == 404
    assert visitor.download(file_id, "bytes=0-199").status_code == 206
    assert visitor.download(file_id, "bytes=0-0").status_code == 404  # twice its size was sent


def test_what_sends_no_bytes_costs_nothing(app: Flask, device: Device, file_id: str) -> None:
    link = share(device, file_id, max_downloads=1)
    visitor = Visitor(app, link)
    etag = visitor.ask("HEAD", f"/files/{file_id}").headers["ETag"]
    statuses = [
        visitor.ask("HEAD", f"/files/{file_id}").status_code,
        visitor.download(file_id, **{"If-None-Match": etag}).status_code,
        visitor.download(file_id, **{"If-Match": '"other"'}).status_code,
        visitor.download(file_id, "bytes=1000-").status_code,
        visitor.get(headers=HTML).status_code,
        visitor.show().status_code,
    ]
    assert (statuses, downloads(device, link)) == ([200, 304, 412, 416, 200, 200], 0)
    assert visitor.download(file_id, "bytes=0-9", **{"If-Range": '"other"'}).status_code == 200
    assert downloads(device, link) == 1


def test_browsers_at_one_address_are_clients_of_their_own(app: Flask, device: Device, file_id: str) -> None:
    link = share(device, file_id, max_downloads=2)
    one, other = Visitor(app, link), Visitor(app, link)
    cookie = one.get(headers=HTML).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "Set-Cookie" not in one.get(headers=HTML).headers
    other.get(headers=HTML)
    for visitor in (one, other, one, other):
        assert visitor.download(file_id, "bytes=0-499").status_code == 206
    assert downloads(device, link) == 2


def test_a_cookie_that_nobody_gave_out_is_none(app: Flask, device: Device, file_id: str) -> None:
    visitor = Visitor(app, share(device, file_id, max_downloads=1), cookies=False)
    for number in range(3):
        forged = {"Cookie": f"transfer_link={number:032x}.{number:064x}"}
        assert visitor.download(file_id, "bytes=0-9", **forged).status_code == 206


def test_each_file_is_a_download_of_its_own(app: Flask, device: Device, file_id: str) -> None:
    other = device.store(b"other", "other.txt")["file_id"]
    link = share(device, file_id, other, max_downloads=2)
    visitor = Visitor(app, link)
    assert [visitor.download(each, "bytes=0-1").status_code for each in (file_id, other, file_id)] == [206] * 3
    assert downloads(device, link) == 2
    assert visitor.ask("HEAD", f"/files/{other}").status_code == 200


def test_a_client_that_goes_away_may_come_back(app: Flask, device: Device) -> None:
    data = bytes(1024 * 1024)
    file_id = device.store(data, "large.bin")["file_id"]
    link = share(device, file_id, max_downloads=1)
    visitor = Visitor(app, link)
    for _ in range(3):
        answer = visitor.get(f"/files/{file_id}", headers={"Range": "bytes=0-"}, buffered=False)
        blocks = answer.iter_encoded()
        assert len(next(iter(blocks))) < len(data) / 8
        answer.close()
    assert visitor.download(file_id, "bytes=0-").data == data
    assert downloads(device, link) == 1


def test_without_a_limit_downloads_are_counted_too(app: Flask, device: Device, file_id: str) -> None:
    link = share(device, file_id)
    visitor = Visitor(app, link)
    for value in (None, "bytes=0-9", "bytes=10-", None):
        assert visitor.download(file_id, value).status_code in {200, 206}
    assert downloads(device, link) == 2


def test_in_read_only_mode_links_without_a_limit_work(make_app: MakeApp, sign_in: Any) -> None:
    app = make_app()
    device = sign_in(app, "alice")
    file_id = device.store(DATA)["file_id"]
    free, limited = share(device, file_id), share(device, file_id, max_downloads=1)
    locked = share(device, file_id, password=PASSWORD)
    reading = make_app(joins=True, read_only=True)
    assert Visitor(reading, free).download(file_id).data == DATA
    answer = Visitor(reading, limited).download(file_id)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert Visitor(reading, locked).unlock().status_code == 503
    assert (downloads(device, free), downloads(device, limited)) == (0, 0)
