"""`/s/TOKEN/uploads`: what whoever has an upload link may bring, and what he learns."""

import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import insert
from werkzeug.test import TestResponse

from tests.conftest import Clock, Device, signed_in
from tests.services.sharing.allotments import miscounted
from tests.web.conftest import MakeApp
from tests.web.sharing.visitors import PASSWORD, share
from tests.web.uploads.bench import TUS, TUS_BYTES, Draft, Tus, id_of, metadata, path_of, services_of
from tests.web.uploads.by_link import GuestDevice, by_link
from transfer_service.models.files import File
from transfer_service.services.sharing.link_uploads import MAX_UNDER_WAY

GONE = (404, "Link not found\n")
USED_UP = (403, "The link is used up\n")


def guest_of(device: Device, **fields: Any) -> Tus:
    """Somebody with a new upload link who speaks tus."""
    return Tus(by_link(device, **fields))


def link_of(device: Device) -> dict[str, Any]:
    """The newest link, as its owner sees it."""
    link: dict[str, Any] = device.get("/api/links").get_json()["links"][0]
    return link


def at(guest: Tus) -> str:
    """The path of the uploads of his link."""
    assert isinstance(guest.device, GuestDevice)
    return guest.device.path


def told(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.text


def test_what_arrives_belongs_to_the_owner(device: Device) -> None:
    guest = guest_of(device)
    location = guest.begin(filename="photo.jpg", filetype="image/jpeg")
    answer = guest.patch(location)
    assert (answer.status_code, answer.headers["X-File-Id"]) == (204, str(id_of(location)))
    file = device.get(f"/api/files/{id_of(location)}").get_json()
    assert (file["filename"], file["content_type"], file["status"]) == ("photo.jpg", "image/jpeg", "complete")
    assert device.get(f"/api/files/{id_of(location)}/download").data == b"hello"
    link = link_of(device)
    assert (link["received_files"], link["received_bytes"]) == (1, 5)


def test_what_has_not_arrived_whole_was_not_received(device: Device) -> None:
    guest = guest_of(device)
    guest.patch(guest.begin(), b"hel")
    assert (link_of(device)["received_files"], link_of(device)["received_bytes"]) == (0, 0)


def test_the_address_of_an_upload_is_that_of_its_link(make_app: MakeApp) -> None:
    app = make_app(public_url="https://files.example.com/base")
    device = signed_in(app, "alice")
    link = share(device, upload=True)
    path = urlsplit(link["url"]).path.removeprefix("/base")
    answer = app.test_client().post(f"{path}/uploads", headers={**TUS, "Upload-Length": "5"})
    assert answer.headers["Location"].startswith(f"{link['url']}/uploads/")


@pytest.mark.parametrize("folder", [None, "from friends/2026"])
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param({"filename": "a.txt"}, "a.txt", id="name"),
        pytest.param({"filename": "a/b.txt"}, "a/b.txt", id="path"),
        pytest.param({"filename": "b.txt", "relativePath": "a/b.txt"}, "a/b.txt", id="relative-path"),
        pytest.param({}, None, id="none"),
    ],
)
def test_names_lie_below_the_folder_of_the_link(
    device: Device, folder: str | None, names: dict[str, str], expected: str | None
) -> None:
    guest = guest_of(device, **({"folder": folder} if folder else {}))
    location = guest.begin(metadata(**names) if names else {}, b"hello")
    filename = device.get(f"/api/files/{id_of(location)}").get_json()["filename"]
    assert filename == "/".join(filter(None, (folder, expected or str(id_of(location)))))


@pytest.mark.parametrize("name", ["../b.txt", "a/../../b", "/a", "a//b", "a\\b", "..", "a/" * 15 + "b", "x" * 256])
def test_no_name_leads_out_of_the_folder(device: Device, name: str) -> None:
    guest = guest_of(device, folder="in/here")
    answer = guest.post(metadata(filename=name), b"hello")
    assert answer.status_code == 400
    assert device.names() == []


def test_a_folder_that_is_moved_goes_on_receiving(device: Device) -> None:
    guest = guest_of(device, folder="in")
    location = guest.begin(filename="a.txt")
    assert device.request("PATCH", "/api/folders/in", json={"path": "out"}).status_code == 200
    guest.patch(location)
    guest.begin(data=b"hello", filename="b.txt")
    assert sorted(device.names()) == ["out/a.txt", "out/b.txt"]


def test_a_link_ends_with_its_folder(device: Device) -> None:
    guest = guest_of(device, folder="in")
    location = guest.begin(filename="a.txt")
    assert device.delete("/api/folders/in?recursive=true").status_code == 204
    assert told(guest.patch(location)) == told(guest.post()) == GONE
    assert device.names() == []
    assert not miscounted(services_of(device))


@pytest.mark.parametrize("way", ["query", "metadata"])
def test_overwrite_counts_for_nothing(device: Device, way: str) -> None:
    device.store(b"mine", "a.txt")
    guest = guest_of(device)
    arguments: dict[str, Any] = {"query_string": {"overwrite": "true"}} if way == "query" else {}
    names = {"filename": "a.txt", **({"overwrite": "true"} if way == "metadata" else {})}
    assert guest.post(metadata(**names), b"hello", **arguments).status_code == 201
    assert sorted(device.names()) == ["a (2).txt", "a.txt"]
    assert device.get("/api/files/download/a.txt").data == b"mine"


def test_a_guest_does_not_learn_that_a_name_is_taken(device: Device) -> None:
    device.store(b"mine", "in/a.txt")
    guest = guest_of(device, folder="in")
    location = guest.begin(filename="a.txt")
    assert guest.device.get(location).get_json()["filename"] == "a.txt"
    answers = [guest.patch(location), guest.head(location), guest.post(metadata(filename="a.txt"), b"hello")]
    assert not [answer.headers["X-File-Name"] for answer in answers if "X-File-Name" in answer.headers]
    assert guest.device.get(location).get_json()["filename"] is None
    assert sorted(device.names()) == ["in/a (2).txt", "in/a (3).txt", "in/a.txt"]


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("whose", ["another-link", "the-owner", "another-account", "nobody"])
def test_only_what_came_by_the_link_is_known_there(app: Flask, device: Device, method: str, whose: str) -> None:
    others = {
        "another-link": lambda: guest_of(device).begin(),
        "the-owner": lambda: Tus(device).begin(),
        "another-account": lambda: Tus(signed_in(app, "bob")).begin(),
        "nobody": lambda: str(uuid.uuid4()),
    }
    upload_id = others[whose]().rpartition("/")[2]
    guest = by_link(device)
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": TUS_BYTES}
    for ended in (False, True):
        answer = guest.request(method, f"{guest.path}/{upload_id}", headers=headers, data=b"hello")
        assert (answer.status_code, answer.headers["Tus-Resumable"]) == (404, "1.0.0")
        if not ended:
            device.delete(f"/api/uploads/{upload_id}", headers=TUS)


def test_the_owner_sees_and_ends_what_is_under_way(device: Device) -> None:
    guest = guest_of(device)
    location = guest.begin(filename="a.txt")
    listed = device.get("/api/uploads").get_json()["uploads"]
    assert [each["upload_id"] for each in listed] == [str(id_of(location))]
    assert device.delete(f"/api/uploads/{id_of(location)}", headers=TUS).status_code == 204
    assert guest.patch(location).status_code == 410
    assert not miscounted(services_of(device))


def test_nobody_sees_what_others_sent(device: Device) -> None:
    guest = guest_of(device)
    guest.begin(data=b"hello")
    answer = guest.send("GET", at(guest))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    assert answer.content_type == "text/plain; charset=utf-8"
    answer = guest.device.get("/api/uploads")
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")


def test_options_tell_nothing_of_a_link(device: Device) -> None:
    guest = by_link(device)
    known, unknown = guest.request("OPTIONS", guest.path), device.client.options("/s/unknown/uploads")
    assert all(each.headers.pop("X-Request-Id") for each in (known, unknown))
    assert (known.status_code, dict(known.headers)) == (204, dict(unknown.headers))
    assert {"Tus-Version", "Tus-Extension", "Upload-Limit"} <= {*known.headers.keys()}
    assert known.headers["Allow"] == "OPTIONS, POST"


class TestLimits:
    @pytest.mark.parametrize("length", ["5", "0"])
    def test_files(self, device: Device, length: str) -> None:
        guest = guest_of(device, max_files=1)
        guest.begin()
        assert told(guest.post({"Upload-Length": length})) == USED_UP
        assert told(guest.post({"Upload-Length": None, "Upload-Defer-Length": "1"})) == USED_UP
        assert told(guest.post({"Upload-Length": "1"}, b"x")) == USED_UP
        assert not miscounted(services_of(device))

    def test_bytes(self, device: Device) -> None:
        guest = guest_of(device, max_bytes=8)
        assert told(guest.post({"Upload-Length": "9"})) == (413, "Storage quota exceeded\n")
        assert told(guest.post({"Upload-Length": "9"}, b"123456789")) == (413, "Storage quota exceeded\n")
        location = guest.begin()  # 5 are promised
        assert guest.post({"Upload-Length": "4"}).status_code == 413
        assert guest.post({"Upload-Length": "3"}).status_code == 201
        assert told(guest.post({"Upload-Length": "1"})) == USED_UP
        assert guest.patch(location).status_code == 204
        assert not miscounted(services_of(device))

    def test_what_was_cancelled_makes_room_and_what_arrived_does_not(self, device: Device) -> None:
        guest = guest_of(device, max_files=1, max_bytes=5)
        for _ in range(20):
            assert guest.delete(guest.begin()).status_code == 204
        location = guest.begin(data=b"hello")
        assert guest.delete(location).status_code == 204  # it forgets the upload, and the file stays
        assert device.delete(f"/api/files/{id_of(location)}").status_code == 200
        assert told(guest.post()) == USED_UP
        assert link_of(device)["received_files"] == 1

    def test_a_length_that_comes_late(self, device: Device) -> None:
        guest = guest_of(device, max_bytes=8)
        location = guest.begin({"Upload-Length": None, "Upload-Defer-Length": "1"})
        assert guest.patch(location, b"hello").status_code == 204
        assert guest.patch(location, b"", {"Upload-Length": "9"}, offset=5).status_code == 413
        assert guest.patch(location, b"1234", offset=5).status_code == 413
        assert guest.offset(location) == "5"
        assert guest.patch(location, b"123", {"Upload-Length": "8"}, offset=5).status_code == 204
        assert not miscounted(services_of(device))

    def test_parts(self, device: Device) -> None:
        guest = guest_of(device, max_files=1, max_bytes=10)
        parts = [guest.begin({"Upload-Concat": "partial"}) for _ in range(2)]
        assert guest.post({"Upload-Concat": "partial", "Upload-Length": "1"}).status_code == 403
        final = guest.begin({"Upload-Concat": f"final;{' '.join(parts)}", "Upload-Length": None}, filename="a.txt")
        for part in parts:
            guest.patch(part)
        assert device.get("/api/files/download/a.txt").data == b"hellohello"
        assert guest.head(final).headers["Upload-Concat"] == f"final;{' '.join(parts)}"
        assert told(guest.post()) == USED_UP
        assert not miscounted(services_of(device))

    def test_the_quota_of_the_account(self, make_app: MakeApp) -> None:
        device = signed_in(make_app(quota_bytes=9), "alice")
        device.store(b"12345")
        guest = guest_of(device)
        assert guest.post().status_code == guest.post(data=b"hello").status_code == 413
        assert guest.post({"Upload-Length": "4"}, b"1234").status_code == 201

    def test_the_largest_file(self, make_app: MakeApp) -> None:
        guest = guest_of(signed_in(make_app(max_file_bytes=5), "alice"))
        assert guest.post({"Upload-Length": "6"}).status_code == 413

    def test_unfinished_uploads(self, device: Device) -> None:
        guest = guest_of(device)
        location = guest.begin()
        with services_of(device).database.write() as session:
            file = session.get_one(File, id_of(location))
            values = {column.name: getattr(file, column.name) for column in File.__table__.columns}
            session.execute(insert(File), [{**values, "id": uuid.uuid4()} for _ in range(MAX_UNDER_WAY - 1)])
        for _ in range(2):
            answer = guest.post({"Upload-Concat": "partial"})
            assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)
        assert guest_of(device).post().status_code == 201
        assert guest.patch(location).status_code == 204
        assert guest.post().status_code == 201


class TestParts:
    @pytest.mark.parametrize("whose", ["another-link", "the-owner"])
    def test_of_others_are_none(self, device: Device, whose: str) -> None:
        partial = {"Upload-Concat": "partial"}
        other = guest_of(device) if whose == "another-link" else Tus(device)
        part = other.begin(partial, b"hello")
        guest = guest_of(device)
        for name in (part, f"{at(guest)}/{id_of(part)}"):
            answer = guest.post({"Upload-Concat": f"final;{name}", "Upload-Length": None})
            assert answer.status_code == 400
        assert other.offset(part) == "5"

    def test_a_final_upload_that_another_link_has_asked_for_is_not_told(self, device: Device) -> None:
        first, second = by_link(device), by_link(device)
        part = Tus(first).begin({"Upload-Concat": "partial"})
        assert Tus(first).post({"Upload-Concat": f"final;{part}", "Upload-Length": None}).status_code == 201
        stolen = f"final;{part.replace(first.path, second.path)}"
        assert Tus(second).post({"Upload-Concat": stolen, "Upload-Length": None}).status_code == 400

    def test_the_database_does_not_keep_the_secret_of_a_link(self, device: Device) -> None:
        guest = guest_of(device)
        part = guest.begin({"Upload-Concat": "partial"})
        guest.begin({"Upload-Concat": f"final;http://localhost{part}", "Upload-Length": None})
        token = part.split("/")[2]
        with services_of(device).database.read_rows() as rows:
            kept = rows.exec_driver_sql("SELECT concat_header FROM resumable_uploads").scalars().all()
        assert len(kept) == 2
        assert not [each for each in kept if token in each]


class TestEnds:
    def test_taken_back(self, device: Device) -> None:
        guest = guest_of(device)
        location, whole = guest.begin(), guest.begin(data=b"hello", filename="whole.txt")
        guest.patch(location, b"hel")
        assert device.delete(f"/api/links/{link_of(device)['id']}").status_code == 204
        for answer in (guest.post(), guest.head(location), guest.patch(location, b"lo", offset=3), guest.head(whole)):
            assert answer.status_code == 404
        assert (device.names(), device.get("/api/uploads").get_json()["uploads"]) == (["whole.txt"], [])
        assert not miscounted(services_of(device))

    def test_expired(self, device: Device, clock: Clock) -> None:
        guest = guest_of(device, expires_in=3600)
        location = guest.begin()
        clock.advance(hours=1, seconds=1)
        assert told(guest.patch(location)) == told(guest.post()) == GONE
        services_of(device).cleanup.run()
        assert device.get("/api/uploads").get_json()["uploads"] == []
        assert not miscounted(services_of(device))

    def test_the_end_of_the_link_is_that_of_its_uploads(self, device: Device, clock: Clock) -> None:
        guest = guest_of(device, expires_in=3600)
        location = guest.begin()
        end = clock.at.replace(microsecond=0)
        assert guest.head(location).headers["Upload-Expires"] <= f"{end:%a, %d %b %Y}" + " 99"
        expires_at = guest.device.get(location).get_json()["expires_at"]
        assert expires_at[:19] <= link_of(device)["expires_at"][:19]
        draft = Draft(guest.device)
        limit = draft.send("HEAD", draft.begin()).headers["Upload-Limit"]
        assert int(limit.rpartition("max-age=")[2]) <= 3600

    def test_what_lacks_only_the_last_step_when_a_link_expires_is_a_file(self, device: Device, clock: Clock) -> None:
        guest = guest_of(device, expires_in=3600)
        location = guest.begin(data=b"hello", filename="a.txt")
        with services_of(device).database.write() as session:  # a kill has come before it
            rows = session.connection()
            rows.exec_driver_sql("UPDATE files SET state = 'receiving', sha256 = NULL, holds_name = 0")
            rows.exec_driver_sql("UPDATE allotments SET received_files = 0, received_bytes = 0")
        clock.advance(hours=1, seconds=1)
        services_of(device).cleanup.run()
        assert device.names() == ["a.txt"]
        assert link_of(device)["received_files"] == 1
        assert guest.head(location).status_code == 404

    def test_disabled_and_enabled(self, device: Device) -> None:
        guest = guest_of(device)
        location = guest.begin()
        accounts = services_of(device).accounts
        accounts.disable("alice")
        assert told(guest.post()) == told(guest.patch(location)) == GONE
        accounts.enable("alice")
        assert guest.patch(location).status_code == 204

    def test_an_account_that_goes(self, device: Device) -> None:
        guest = guest_of(device)
        location = guest.begin()
        services_of(device).account_removal.remove("alice")
        assert told(guest.post()) == told(guest.patch(location)) == GONE
        assert not miscounted(services_of(device))

    def test_allotments_of_links_that_are_gone_are_forgotten(self, device: Device) -> None:
        guest_of(device)
        assert device.delete(f"/api/links/{link_of(device)['id']}").status_code == 204
        guest_of(device)
        services_of(device).cleanup.run()
        with services_of(device).database.read_rows() as rows:
            assert rows.exec_driver_sql("SELECT count(*) FROM allotments").scalar_one() == 1


class TestPasswords:
    def test_come_first(self, device: Device) -> None:
        guest = guest_of(device, password=PASSWORD)
        assert told(guest.post()) == (403, "Password required\n")
        answer = guest.device.post(at(guest))
        assert (answer.status_code, answer.get_json()["detail"]) == (403, "Password required")

    def test_a_client_sends_the_cookie_along_that_unlocking_gives(self, device: Device) -> None:
        guest = guest_of(device, password=PASSWORD)
        path = at(guest).removesuffix("/uploads")
        unlocked = device.client.post(f"{path}/unlock", json={"password": PASSWORD})
        cookie = {"Cookie": unlocked.headers["Set-Cookie"].partition(";")[0]}
        created = guest.post(cookie)
        location = path_of(created.headers["Location"])
        assert guest.patch(location).status_code == 403
        assert guest.patch(location, headers=cookie).status_code == 204


@pytest.mark.parametrize("token", ["unknown", "a" * 32, "%2E%2E", "a" * 5000])
def test_unknown_links(app: Flask, token: str) -> None:
    client, headers = app.test_client(), {**TUS, "Upload-Length": "5"}
    assert told(client.post(f"/s/{token}/uploads", headers=headers)) == GONE
    assert told(client.patch(f"/s/{token}/uploads/{uuid.uuid4()}", headers=headers)) == GONE


def test_a_link_for_downloads_takes_nothing(device: Device) -> None:
    link = share(device, device.store(b"hello")["file_id"])
    answer = device.client.post(f"{urlsplit(link['url']).path}/uploads", headers={**TUS, "Upload-Length": "5"})
    assert told(answer) == GONE


def test_a_token_that_comes_along_changes_nothing(app: Flask, device: Device) -> None:
    guest = by_link(device)
    bob = signed_in(app, "bob")
    for headers in (bob.headers, {"Authorization": "Bearer nonsense"}, device.headers):
        tus = Tus(Device(device.client, headers))
        answer = tus.send("POST", guest.path, {"Upload-Length": "5", "Content-Type": TUS_BYTES}, data=b"hello")
        assert answer.status_code == 201
        assert "X-File-Name" not in answer.headers
    assert (len(device.names()), bob.names()) == (3, [])


def test_a_method_that_a_client_can_only_name(device: Device) -> None:
    guest = guest_of(device)
    location = guest.begin()
    headers = {
        "X-HTTP-Method-Override": "PATCH",
        "Upload-Offset": "0",
        "Content-Type": TUS_BYTES,
    }
    assert guest.send("POST", location, headers, data=b"hello").status_code == 204


def test_pages_of_other_origins(make_app: MakeApp) -> None:
    device = signed_in(make_app(cors_origins="https://app.example"), "alice")
    guest = guest_of(device)
    answer = guest.post({"Origin": "https://app.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Location" in answer.headers["Access-Control-Expose-Headers"]


class TestRates:
    def test_guests_count_by_their_address_and_appends_not_at_all(self, make_app: MakeApp) -> None:
        device = signed_in(make_app(rate_limits="4/minute"), "alice")
        guest = guest_of(device)  # one of the owner's
        location = guest.begin()
        for offset in range(3):
            assert guest.patch(location, b"x", offset=offset).status_code == 204
        assert [guest.head(location).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert device.get("/auth/me").status_code == 200
        assert guest.patch(location, b"lo", offset=3).status_code == 204

    def test_an_append_to_nothing_counts(self, make_app: MakeApp) -> None:
        device = signed_in(make_app(rate_limits="3/minute"), "alice")
        guest = guest_of(device)
        unknown = f"{at(guest)}/{uuid.uuid4()}"
        assert [guest.patch(unknown).status_code for _ in range(4)] == [404, 404, 404, 429]


def test_by_the_draft(device: Device) -> None:
    draft = Draft(by_link(device, folder="in"))
    headers = {"Content-Disposition": 'attachment; filename="a.txt"', "Content-Type": "text/plain"}
    answer = draft.post(b"hello", headers, complete=True)
    assert (answer.status_code, draft.told(answer)) == (201, True)
    assert device.names() == ["in/a.txt"]
    refused = draft.post(b"hello", {"Content-Disposition": 'attachment; filename=".."'}, complete=True)
    assert (refused.status_code, refused.content_type) == (400, "application/problem+json")


def test_in_read_only_mode_nothing_arrives(make_app: MakeApp) -> None:
    guest = guest_of(signed_in(make_app(), "alice"))
    client = make_app(read_only=True, joins=True).test_client()
    answer = client.post(at(guest), headers={**TUS, "Upload-Length": "5"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, answer.headers["Retry-After"])
