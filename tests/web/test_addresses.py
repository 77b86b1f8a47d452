"""What clients call the service: the Host of a request, and the absolute addresses that are made of it."""

import pytest

from tests.conftest import Device
from tests.web.conftest import MakeApp, SignIn
from tests.web.uploads.bench import ROOT, Draft, Tus, id_of, left_on

BASE = "https://files.example.com/base"
SPEAKS = pytest.mark.parametrize("speaks", [Tus, Draft], ids=["tus", "draft"])


@pytest.mark.parametrize(
    "host",
    [
        "files.example.com", "FILES.example.com:8000", "127.0.0.1", "127.0.0.1:80", "[::1]:8000", "[2001:db8::1]",
        "my_machine.local", "xn--bcher-kva.example", "a:", "localhost.",
    ],
)  # fmt: skip
def test_a_location_has_the_host_of_the_request(shared_device: Device, host: str) -> None:
    response = Tus(shared_device).post(environ_overrides={"HTTP_HOST": host})
    location = response.headers["Location"]
    assert (response.status_code, location) == (201, f"http://{host.lower().removesuffix(':')}{ROOT}/{id_of(location)}")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example/path", "evil.example?q", "a b", "user@evil.example", "evil.example#", "a:99999", "a:0", "a:b",
        "[::1", "[nonsense]", "[::1]x", "a\\b", 'a"b', "<script>", "a,b", "a%2fb", "ä.example", ":80", "a" * 300,
    ],
)  # fmt: skip
@pytest.mark.parametrize(("method", "path"), [("POST", ROOT), ("GET", "/healthz"), ("POST", "/auth/token")])
def test_a_host_that_is_none_is_400_at_every_door(shared_device: Device, host: str, method: str, path: str) -> None:
    before = left_on(shared_device)
    named = {"HTTP_HOST": host}
    response = shared_device.request(method, path, headers={"Upload-Complete": "?0"}, environ_overrides=named)
    assert (response.status_code, "The host of the request is not valid" in response.text) == (400, True)
    assert (left_on(shared_device), host in response.text) == (before, False)


@SPEAKS
@pytest.mark.parametrize("proxies", [0, 1])
def test_what_the_operator_calls_it_comes_first(
    make_app: MakeApp, sign_in: SignIn, speaks: type[Tus | Draft], proxies: int
) -> None:
    client = speaks(sign_in(make_app(public_url=BASE, trusted_proxies=proxies), "alice"))
    forwarded = {"X-Forwarded-Prefix": "/base", "X-Forwarded-Host": "inside.example", "X-Forwarded-Proto": "http"}
    location = client.post(headers=forwarded).headers["Location"]
    assert location == f"{BASE}{ROOT}/{id_of(location)}"


def test_a_final_upload_is_made_of_absolute_addresses(make_app: MakeApp, sign_in: SignIn) -> None:
    tus = Tus(sign_in(make_app(public_url=BASE), "alice"))
    part = tus.post({"Upload-Concat": "partial"}, b"hello").headers["Location"]
    response = tus.post({"Upload-Length": None, "Upload-Concat": f"final;{part}"})
    assert (part.startswith(BASE), response.status_code, "X-File-Id" in response.headers) == (True, 201, True)


@pytest.mark.parametrize(
    "forwarded", [{"X-Forwarded-Host": "a b"}, {"X-Forwarded-Host": "evil/"}, {"X-Forwarded-Proto": "javascript"}]
)
def test_a_believed_proxy_names_no_nonsense(make_app: MakeApp, sign_in: SignIn, forwarded: dict[str, str]) -> None:
    tus = Tus(sign_in(make_app(trusted_proxies=1), "alice"))
    assert tus.post(dict(forwarded)).status_code == 400


def test_the_address_of_a_whole_file_stays_a_path(shared_device: Device) -> None:
    response = shared_device.post("/api/files?filename=whole.bin", data=b"x")
    assert response.headers["Location"] == f"/api/files/{response.get_json()['file_id']}/download"
