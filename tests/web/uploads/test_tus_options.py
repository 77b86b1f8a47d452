"""OPTIONS: what `/api/uploads` can do, in the words of tus and of the draft."""

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.conftest import MakeApp
from tests.web.uploads.bench import ROOT, UNKNOWN, left_on

EXTENSIONS = {
    "creation", "creation-with-upload", "creation-defer-length", "expiration", "checksum", "checksum-trailer",
    "termination", "concatenation", "concatenation-unfinished",
}  # fmt: skip


@pytest.mark.parametrize("path", [ROOT, f"{ROOT}/", UNKNOWN, f"{ROOT}/no-upload-at-all"])
def test_everybody_is_told_what_tus_can_do_here(shared_app: Flask, path: str) -> None:
    response = shared_app.test_client().options(path)
    assert (response.status_code, response.data, "Content-Type" in response.headers) == (204, b"", False)
    assert set(response.headers["Tus-Extension"].split(",")) == EXTENSIONS
    assert {name: value for name, value in response.headers if name.startswith("Tus-")} == {
        "Tus-Resumable": "1.0.0",
        "Tus-Version": "1.0.0",
        "Tus-Extension": response.headers["Tus-Extension"],
        "Tus-Max-Size": str(10 * 1024**3),
        "Tus-Checksum-Algorithm": "sha1,sha256,crc32",
    }


@pytest.mark.parametrize("version", ["1.0.0", "0.2.2", "nonsense", ""])
def test_the_version_of_the_client_is_ignored(shared_app: Flask, version: str) -> None:
    response = shared_app.test_client().options(ROOT, headers={"Tus-Resumable": version})
    assert (response.status_code, response.headers.getlist("Tus-Resumable")) == (204, ["1.0.0"])


@pytest.mark.parametrize("headers", [{}, {"Upload-Draft-Interop-Version": "6"}], ids=["no-version", "6"])
def test_everybody_is_told_the_limits_of_the_draft(shared_app: Flask, headers: dict[str, str]) -> None:
    response = shared_app.test_client().options(ROOT, headers=headers)
    assert response.headers["Upload-Limit"] == f"max-size={10 * 1024**3}"
    assert response.headers["Accept-Patch"] == "application/partial-upload"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        pytest.param(ROOT, {"GET", "HEAD", "OPTIONS", "POST"}, id="creation"),
        pytest.param(UNKNOWN, {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}, id="upload"),
    ],
)
def test_the_methods_are_allowed_that_exist(shared_app: Flask, path: str, methods: set[str]) -> None:
    response = shared_app.test_client().options(path)
    assert set(response.headers["Allow"].split(", ")) == methods
    assert shared_app.test_client().put(path).status_code == 405


def test_the_largest_size_is_the_setting(make_app: MakeApp) -> None:
    response = make_app(max_file_bytes=4096).test_client().options(ROOT)
    assert (response.headers["Tus-Max-Size"], response.headers["Upload-Limit"]) == ("4096", "max-size=4096")


@pytest.mark.parametrize("token", ["good", "Bearer nonsense"])
def test_a_token_changes_nothing(shared_device: Device, token: str) -> None:
    before = left_on(shared_device)
    headers = {} if token == "good" else {"Authorization": token}
    response = shared_device.request("OPTIONS", ROOT, headers={**headers, "Upload-Length": "5"})
    assert response.status_code == 204
    assert left_on(shared_device) == before
