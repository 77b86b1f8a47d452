"""Uploads from pages of other origins: `TRANSFER_CORS_ORIGINS`, preflights and what scripts may read."""

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.conftest import MakeApp, SignIn
from tests.web.uploads.bench import ROOT, UNKNOWN, Draft, Tus, left_on

PAGE = "https://app.example"
SENT = [
    "authorization", "content-type", "content-digest", "content-disposition", "repr-digest", "tus-resumable",
    "upload-checksum", "upload-complete", "upload-concat", "upload-defer-length", "upload-draft-interop-version",
    "upload-incomplete", "upload-length", "upload-metadata", "upload-offset", "x-csrf-token", "x-http-method-override",
    "x-request-id", "x-requested-with",
]  # fmt: skip
READ = {
    "Accept-Patch", "Location", "Retry-After", "Tus-Checksum-Algorithm", "Tus-Extension", "Tus-Max-Size",
    "Tus-Resumable", "Tus-Version", "Upload-Complete", "Upload-Concat", "Upload-Defer-Length",
    "Upload-Draft-Interop-Version", "Upload-Expires", "Upload-Incomplete", "Upload-Length", "Upload-Limit",
    "Upload-Metadata", "Upload-Offset", "X-File-Id", "X-File-Name",
}  # fmt: skip


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(cors_origins=[PAGE])


def preflight(method: str, origin: str = PAGE) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ", ".join(SENT),
    }


def words(value: str | None) -> set[str]:
    """The members of a list field."""
    return {word.strip() for word in (value or "").split(",") if word.strip()}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ROOT), ("PATCH", UNKNOWN), ("HEAD", UNKNOWN), ("DELETE", UNKNOWN), ("GET", ROOT), ("POST", UNKNOWN)],
)
def test_a_preflight_lets_the_page_send_everything(app: Flask, method: str, path: str) -> None:
    response = app.test_client().options(path, headers=preflight(method))
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert method in words(response.headers["Access-Control-Allow-Methods"])
    assert words(response.headers["Access-Control-Allow-Headers"].lower()) >= set(SENT)


def test_a_preflight_says_what_tus_can_do_all_the_same(app: Flask) -> None:
    response = app.test_client().options(ROOT, headers=preflight("POST"))
    assert (response.headers["Tus-Version"], response.headers["Access-Control-Allow-Credentials"]) == ("1.0.0", "true")


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil.example", "null"])
def test_another_origin_is_not_let_in(app: Flask, origin: str) -> None:
    response = app.test_client().options(ROOT, headers=preflight("POST", origin))
    assert response.status_code == 204
    assert [name for name, _ in response.headers if name.startswith("Access-Control")] == []


def test_a_preflight_leaves_nothing(app: Flask, device: Device) -> None:
    before = left_on(device)
    app.test_client().options(ROOT, headers={**preflight("POST"), "Upload-Length": "5", "Tus-Resumable": "1.0.0"})
    assert left_on(device) == before


@pytest.mark.parametrize("speaks", [Tus, Draft], ids=["tus", "draft"])
@pytest.mark.parametrize("data", [b"hel", b"hello"], ids=["unfinished", "finished"])
def test_a_page_reads_every_field_of_a_success(device: Device, speaks: type[Tus | Draft], data: bytes) -> None:
    client = speaks(device)
    location = client.begin(headers={"Upload-Metadata": "a"}) if speaks is Tus else client.begin()
    answers = [client.patch(location, data, {"Origin": PAGE}), client.head(location, {"Origin": PAGE})]
    assert [words(each.headers["Access-Control-Expose-Headers"]) >= READ for each in answers] == [True, True]
    own = {name for each in answers for name, _ in each.headers if name.startswith(("Upload-", "Tus-", "X-File"))}
    assert own <= READ


@pytest.mark.parametrize(
    ("offset", "data", "authorization", "status"),
    [(4, b"o", None, 409), (3, b"lo!", None, 413), (3, b"lo", "Bearer nonsense", 401)],
)
def test_a_page_reads_a_refusal_too(
    device: Device, offset: int, data: bytes, authorization: str | None, status: int
) -> None:
    tus = Tus(device)
    location = tus.begin(None, b"hel")
    headers = {"Origin": PAGE} | ({"Authorization": authorization} if authorization else {})
    response = tus.patch(location, data, headers, offset=offset)
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
    assert words(response.headers["Access-Control-Expose-Headers"]) >= READ


def test_a_star_lets_any_page_in_but_without_cookies(make_app: MakeApp, sign_in: SignIn) -> None:
    app = make_app(cors_origins=["*"])
    response = app.test_client().options(ROOT, headers=preflight("POST", "https://any.example"))
    assert response.headers["Access-Control-Allow-Origin"] in {"*", "https://any.example"}
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert Tus(sign_in(app, "alice")).post({"Origin": "https://any.example"}).status_code == 201


def test_without_the_setting_no_page_reads_anything(make_app: MakeApp, sign_in: SignIn) -> None:
    response = Tus(sign_in(make_app(), "alice")).post({"Origin": PAGE})
    assert [name for name, _ in response.headers if name.startswith("Access-Control")] == []
    assert response.status_code == 201
