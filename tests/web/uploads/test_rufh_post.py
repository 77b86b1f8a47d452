"""POST without `Tus-Resumable`: creating an upload in the words of the IETF draft."""

import re
from typing import Any

import pytest

from tests.conftest import Device
from tests.web.conftest import MakeApp, SignIn
from tests.web.uploads.bench import (
    DRAFT_BYTES,
    ROOT,
    Draft,
    Headers,
    digest,
    id_of,
    left_on,
    metadata,
    problem,
)

LIMIT = 10 * 1024**3


def test_an_incomplete_creation_says_where_to_go_on(draft: Draft) -> None:
    response = draft.post(b"hel")
    location = response.headers["Location"]
    assert (response.status_code, response.data, response.headers["Upload-Offset"]) == (201, b"", "3")
    assert (draft.told(response), response.headers["Cache-Control"]) == (False, "no-store")
    assert (re.fullmatch(rf"http://localhost{ROOT}/[0-9a-f-]{{36}}", location) is not None, draft.state(location)) == (
        True,
        ("3", False),
    )


@pytest.mark.parametrize("data", [b"hello", b""], ids=["bytes", "no-bytes"])
def test_a_complete_creation_is_a_file_at_once(draft: Draft, data: bytes) -> None:
    response = draft.post(data, complete=True)
    location = response.headers["Location"]
    assert (response.status_code, draft.told(response)) == (201, True)
    assert (response.headers["Upload-Offset"], response.headers["X-File-Id"]) == (str(len(data)), str(id_of(location)))
    assert draft.device.get(f"/api/files/{id_of(location)}/download").data == data


def test_a_request_that_tells_nothing_is_an_ordinary_upload(draft: Draft) -> None:
    response = draft.post(b"hello", complete=None)
    assert (response.status_code, draft.told(response)) == (201, True)
    assert draft.device.get(f"/api/files/{response.headers['X-File-Id']}/download").data == b"hello"


def test_a_client_that_names_no_version_speaks_8_and_is_told_none(shared_device: Device) -> None:
    response = shared_device.post(ROOT, data=b"hel", headers={"Upload-Complete": "?0"})
    assert (response.status_code, response.headers["Upload-Complete"]) == (201, "?0")
    assert "Upload-Draft-Interop-Version" not in response.headers
    assert re.fullmatch(rf"max-size={LIMIT}, max-age=\d+", response.headers["Upload-Limit"])


def test_a_version_that_is_named_is_named_back(draft: Draft) -> None:
    response = draft.post(b"hel")
    assert response.headers["Upload-Draft-Interop-Version"] == str(draft.version)
    assert "Tus-Resumable" not in response.headers


@pytest.mark.parametrize(
    ("version", "limits"),
    [
        (3, None),
        (5, None),
        (6, rf"max-size={LIMIT}, expires=86[34]\d\d"),
        (8, rf"max-size={LIMIT}, max-age=86[34]\d\d"),
    ],
)
def test_an_unfinished_upload_has_limits(shared_device: Device, version: int, limits: str | None) -> None:
    found = Draft(shared_device, version).post(b"hel").headers.get("Upload-Limit")
    assert found is limits or re.fullmatch(limits or "", found or "") is not None


@pytest.mark.parametrize(
    ("headers", "data", "complete", "offset", "is_complete"),
    [
        pytest.param({"Upload-Length": "5"}, b"hel", False, "3", False, id="a-length"),
        pytest.param({"Upload-Length": "5;a=b"}, b"hel", False, "3", False, id="a-length-with-a-parameter"),
        pytest.param({"Upload-Length": "5"}, b"hello", True, "5", True, id="the-same-length"),
        pytest.param({"Upload-Length": "five"}, b"hel", False, "3", False, id="a-length-that-is-none"),
        pytest.param({"Upload-Length": "-5"}, b"hel", False, "3", False, id="a-negative-length"),
        pytest.param({"Upload-Length": "3"}, b"hel", False, "3", False, id="all-bytes-but-not-the-last-word"),
        pytest.param({"Upload-Length": "0"}, b"", False, "0", False, id="no-bytes-to-come-but-not-the-last-word"),
        pytest.param({"Content-Type": DRAFT_BYTES}, b"hel", False, "3", False, id="the-type-of-an-append"),
    ],
)
def test_a_creation_in_other_words(
    draft: Draft, headers: Headers, data: bytes, complete: bool, offset: str, is_complete: bool
) -> None:
    response = draft.post(data, headers, complete=complete)
    assert (response.status_code, response.headers["Upload-Offset"], draft.told(response)) == (201, offset, is_complete)
    assert draft.state(response.headers["Location"]) == (offset, is_complete)


@pytest.mark.parametrize(
    ("headers", "data", "complete", "status", "kind"),
    [
        pytest.param({"Upload-Draft-Interop-Version": "4"}, b"hel", False, 400, "about:blank", id="version-4"),
        pytest.param({"Upload-Draft-Interop-Version": "7"}, b"hel", False, 400, "about:blank", id="version-7"),
        pytest.param({"Upload-Draft-Interop-Version": "9"}, b"hel", False, 400, "about:blank", id="version-9"),
        pytest.param({"Upload-Draft-Interop-Version": "six"}, b"hel", False, 400, "about:blank", id="version-word"),
        pytest.param({"Upload-Draft-Interop-Version": ""}, b"hel", False, 400, "about:blank", id="version-empty"),
        pytest.param({"completeness": "1"}, b"hel", None, 400, "about:blank", id="completeness-a-number"),
        pytest.param({"completeness": "true"}, b"hel", None, 400, "about:blank", id="completeness-a-word"),
        pytest.param({"completeness": "?2"}, b"hel", None, 400, "about:blank", id="completeness-no-boolean"),
        pytest.param({"completeness": ""}, b"hel", None, 400, "about:blank", id="completeness-empty"),
        pytest.param({"Upload-Length": "5"}, b"hel", True, 400, "inconsistent-upload-length", id="last-but-too-few"),
        pytest.param({"Upload-Length": "2"}, b"hel", True, 400, "inconsistent-upload-length", id="last-but-too-many"),
        pytest.param({"Upload-Length": "2"}, b"hel", False, 413, "about:blank", id="past-the-length"),
        pytest.param({"Upload-Length": "0"}, b"hel", False, 413, "about:blank", id="past-no-length"),
        pytest.param({"Upload-Length": str(LIMIT + 1)}, b"hel", False, 413, "about:blank", id="past-the-limit"),
        pytest.param({"Upload-Length": "9" * 15}, b"", False, 413, "about:blank", id="fifteen-digits"),
        pytest.param({"Content-Disposition": 'a; filename="a/../b"'}, b"hel", False, 400, "about:blank", id="bad-name"),
        pytest.param({"Content-Disposition": 'a; filename=""'}, b"hel", False, 400, "about:blank", id="empty-name"),
        pytest.param(
            {"Content-Disposition": "a; filename*=utf-8''%FF"}, b"hel", False, 400, "about:blank", id="name-no-utf-8"
        ),
        pytest.param({"Content-Disposition": 'a; filename="a.txt'}, b"hel", False, 400, "about:blank", id="no-quote"),
        pytest.param({"Content-Disposition": 'a; filename="\xe9"'}, b"hel", False, 400, "about:blank", id="latin-1"),
        pytest.param(metadata(filename=".."), b"hel", False, 400, "about:blank", id="bad-name-in-metadata"),
        pytest.param({"Upload-Metadata": "filename !"}, b"hel", False, 400, "about:blank", id="malformed-metadata"),
        pytest.param({"Content-Digest": "sha-256=x"}, b"hel", False, 400, "about:blank", id="malformed-digest"),
        pytest.param({"Content-Digest": digest(b"x")}, b"hel", False, 400, "about:blank", id="wrong-content-digest"),
        pytest.param({"Content-Digest": digest(b"x")}, b"hel", True, 400, "about:blank", id="wrong-and-complete"),
        pytest.param({"Repr-Digest": "nonsense"}, b"hel", False, 400, "about:blank", id="malformed-repr-digest"),
        pytest.param({"Repr-Digest": digest(b"x")}, b"hel", True, 400, "about:blank", id="wrong-repr-digest"),
    ],
)
def test_a_refused_creation_leaves_nothing(
    draft: Draft, headers: dict[str, str], data: bytes, complete: bool | None, status: int, kind: str
) -> None:
    before = left_on(draft.device)
    named = {draft.completeness_field if name == "completeness" else name: value for name, value in headers.items()}
    response = draft.post(data, named, complete=complete)
    assert problem(response) == (status, kind), response.text
    assert left_on(draft.device) == before
    assert response.headers.get("Upload-Limit") == (f"max-size={LIMIT}" if status == 413 else None)
    assert not {"Location", "Upload-Offset"} & set(response.headers.keys())
    is_named = "Upload-Draft-Interop-Version" not in headers
    assert Draft(draft.device, draft.version if is_named else 8).told(response) is False


def test_a_creation_without_a_token_is_a_problem_with_401(draft: Draft) -> None:
    before = left_on(draft.device)
    response = draft.post(b"hello", {"Authorization": "Bearer nonsense"}, complete=True)
    assert problem(response) == (401, "about:blank")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert left_on(draft.device) == before


@pytest.mark.parametrize(
    ("headers", "data", "complete"),
    [
        pytest.param({}, b"hello world", True, id="complete"),
        pytest.param({"Upload-Length": "11"}, b"hello", False, id="length"),
        pytest.param({}, b"hello world", False, id="bytes"),
    ],
)
@pytest.mark.parametrize("version", [3, 8])
def test_a_creation_over_the_quota_leaves_nothing(
    make_app: MakeApp, sign_in: SignIn, version: int, headers: Headers, data: bytes, complete: bool
) -> None:
    draft = Draft(sign_in(make_app(quota_bytes=10), "alice"), version)
    before = left_on(draft.device)
    response = draft.post(data, headers, complete=complete)
    assert (problem(response)[0], response.get_json()["detail"]) == (413, "Storage quota exceeded")
    assert left_on(draft.device) == before
    assert draft.post(b"hello", complete=True).status_code == 201


def test_a_body_past_the_limit_leaves_nothing(make_app: MakeApp, sign_in: SignIn) -> None:
    draft = Draft(sign_in(make_app(max_file_bytes=4), "alice"))
    response = draft.post(b"hello")
    assert (problem(response)[0], response.headers["Upload-Limit"]) == (413, "max-size=4")
    assert left_on(draft.device) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("complete", [True, False])
def test_a_body_cut_short_keeps_what_arrived_and_is_not_complete(
    make_app: MakeApp, sign_in: SignIn, complete: bool
) -> None:
    draft = Draft(sign_in(make_app(), "alice"))
    response = draft.post(b"hel", complete=complete, environ_overrides={"CONTENT_LENGTH": "5"})
    (upload,) = draft.device.get(ROOT).get_json()["uploads"]
    assert problem(response) == (400, "about:blank")
    assert (upload["offset"], upload["length"]) == (3, 5 if complete else None)
    assert draft.state(f"{ROOT}/{upload['upload_id']}") == ("3", False)


def test_a_chunked_body_ends_where_it_ends(draft: Draft) -> None:
    over: dict[str, Any] = {"environ_overrides": {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}}
    response = draft.post(b"hello", {"Transfer-Encoding": "chunked"}, complete=True, **over)
    assert (response.status_code, response.headers["Upload-Offset"], draft.told(response)) == (201, "5", True)
    assert draft.head(response.headers["Location"]).headers["Upload-Length"] == "5"


@pytest.mark.parametrize(
    ("headers", "name", "media_type"),
    [
        pytest.param({"Content-Disposition": 'attachment; filename="a.png"'}, "a.png", "image/png", id="disposition"),
        pytest.param(
            {"Content-Disposition": "attachment; filename=\"x\"; filename*=UTF-8''%E6%96%87.bin"},
            "文.bin",
            "application/octet-stream",
            id="disposition-in-utf-8",
        ),
        pytest.param(
            {"Content-Disposition": "a; filename=a", "Content-Type": "text/csv"}, "a", "text/csv", id="content-type"
        ),
        pytest.param(metadata(filename="a.png"), "a.png", "image/png", id="as-tus-js-client-says-it"),
        pytest.param(
            {**metadata(filename="a", filetype="text/csv"), "Content-Type": DRAFT_BYTES}, "a", "text/csv", id="no-type"
        ),
        pytest.param(
            {**metadata(filename="other"), "Content-Disposition": "a; filename=a"},
            "a",
            "application/octet-stream",
            id="disposition-before-metadata",
        ),
    ],
)
def test_the_file_has_its_name_and_type(device: Device, headers: Headers, name: str, media_type: str) -> None:
    location = Draft(device, 6).finish(b"hello", headers)
    assert device.names() == [name]
    assert device.get(f"/api/files/{id_of(location)}/download").headers["Content-Type"] == media_type


def test_an_upload_without_a_name_is_called_by_its_id(device: Device) -> None:
    location = Draft(device).finish()
    assert device.names() == [str(id_of(location))]


@pytest.mark.parametrize(
    ("query", "names"), [("", {"log.bin", "log (2).bin"}), ("?overwrite=true", {"log.bin"})], ids=["number", "replace"]
)
def test_a_taken_name_is_numbered_or_replaced(device: Device, query: str, names: set[str]) -> None:
    device.store(b"old")
    named = {"Content-Disposition": 'attachment; filename="log.bin"', "Upload-Complete": "?1"}
    response = device.post(ROOT + query, data=b"hello", headers=named)
    assert (response.status_code, set(device.names())) == (201, names)
    assert response.headers["X-File-Name"] in {"log.bin", "log%20%282%29.bin"} & {
        "log.bin" if query else "log%20%282%29.bin"
    }


def test_bytes_of_utf_8_in_a_file_name_are_utf_8(shared_device: Device) -> None:
    as_sent = "résumé 文.pdf".encode().decode("latin-1")
    location = Draft(shared_device).finish(b"x", {"Content-Disposition": f'inline; filename="{as_sent}"'})
    assert shared_device.get(location).get_json()["filename"] == "résumé 文.pdf"


class Gone:
    """The connection of a client that has gone."""

    gives_up = has_given_up = None

    def send(self, _: bytes) -> None:
        raise ConnectionResetError


@pytest.mark.parametrize("has_all", [True, False], ids=["whole", "cut-short"])
def test_who_has_gone_before_the_interim_answer_is_no_fault_of_ours(shared_device: Device, has_all: bool) -> None:
    draft, before = Draft(shared_device), left_on(shared_device)
    environ = {"gunicorn.socket": Gone(), "CONTENT_LENGTH": "5"}
    response = draft.post(b"hello" if has_all else b"", complete=True, environ_overrides=environ)
    assert response.status_code == (201 if has_all else 400)
    if not has_all:
        assert left_on(shared_device) == before
