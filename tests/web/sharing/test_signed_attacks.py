"""What is done to signed addresses: changed, spelled otherwise, sent elsewhere, or made up."""

import uuid
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Device, signed_in
from tests.web.conftest import MakeApp, SignIn
from tests.web.sharing.bench import INVALID, fetch, local, query_of, refusal, sign_file, with_query

DATA = b"0123456789"
PUBLIC = "https://files.example.com/some/base"


@pytest.fixture(scope="module")
def file_id(shared_device: Device) -> str:
    return str(shared_device.store(DATA)["file_id"])


@pytest.fixture(scope="module")
def url(shared_device: Device, file_id: str) -> str:
    return sign_file(shared_device, file_id, inline=True)


def test_it_is_for_one_file_and_one_account(shared_app: Flask, shared_device: Device, url: str) -> None:
    bob = signed_in(shared_app, "bob")
    others, second = bob.store(DATA)["file_id"], shared_device.store(DATA, "second.bin")["file_id"]
    account = bob.get("/auth/me").get_json()["id"]
    own = urlsplit(url).path.split("/")[3]
    for changed in (
        url.replace(own, others),
        url.replace(own, second),
        with_query(url, account=account),
        with_query(url.replace(own, others), account=account),
        with_query(url, signature=query_of(sign_file(bob, others, inline=True))["signature"]),
    ):
        assert refusal(fetch(shared_app, changed)) == (403, INVALID), changed


def test_an_account_cannot_sign_for_anothers_file(shared_app: Flask, file_id: str) -> None:
    """Its own id would have to be signed with a path that the service signs for the owner only."""
    bob = signed_in(shared_app, "bob")
    query = urlsplit(sign_file(bob, bob.store(DATA, "mine.bin")["file_id"])).query
    assert refusal(fetch(shared_app, f"/api/files/{file_id}/download?{query}")) == (403, INVALID)


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda path: path.upper(), id="capitals"),
        pytest.param(lambda path: path.replace(path.split("/")[3], path.split("/")[3].upper()), id="uuid-in-capitals"),
        pytest.param(lambda path: path + "/", id="slash-behind"),
        pytest.param(lambda path: path + "%20", id="space-behind"),
        pytest.param(lambda path: path + "%00", id="nul-behind"),
        pytest.param(lambda path: path + ";x", id="path-parameter"),
        pytest.param(lambda path: path.replace("/files/", "//files/"), id="two-slashes"),
        pytest.param(lambda path: path.replace("/files/", "/files/./"), id="dot"),
        pytest.param(lambda path: path.replace("/files/", "/files/../files/"), id="dots"),
        pytest.param(lambda path: path.replace("/files/", "/files/%2e%2e/files/"), id="dots-with-percents"),
        pytest.param(lambda path: path.replace("/", "\\"), id="backslashes"),
        pytest.param(lambda path: path.replace("download", "d%25ownload"), id="percent-twice"),
        pytest.param(lambda path: path.replace("download", "downl\u043ead"), id="another-script"),
    ],
)
def test_a_path_that_is_another_one(shared_app: Flask, url: str, spell: Any) -> None:
    parts = urlsplit(url)
    response = fetch(shared_app, f"{spell(parts.path)}?{parts.query}")
    assert response.status_code in {401, 403, 404, 405}
    assert DATA not in response.data


@pytest.mark.parametrize("spell", ["/api/files/{}/%64ownload", "/%61pi/files/{}/download"])
def test_a_path_that_is_the_same_in_other_words(shared_app: Flask, url: str, file_id: str, spell: str) -> None:
    assert fetch(shared_app, f"{spell.format(file_id)}?{urlsplit(url).query}").data == DATA


def test_the_order_of_the_query_does_not_count(shared_app: Flask, url: str) -> None:
    parts = urlsplit(url)
    turned = "&".join(reversed(parts.query.split("&")))
    assert turned != parts.query
    assert fetch(shared_app, f"{parts.path}?{turned}").data == DATA


@pytest.mark.parametrize("name", ["account", "expires", "signature", "inline"])
def test_no_parameter_stands_twice(shared_app: Flask, url: str, name: str) -> None:
    value = query_of(url)[name]
    for more in (f"&{name}={value}", f"&{name}=", f"&{name}", f"&%{ord(name[0]):02x}{name[1:]}={value}"):
        assert refusal(fetch(shared_app, url + more)) == (403, INVALID), more


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("&x=1", id="unknown"),
        pytest.param("&utm_source=mail", id="of-a-tracker"),
        pytest.param("&Expires=9999999999", id="capitals"),
        pytest.param("&expires[]=9999999999", id="list"),
        pytest.param(";expires=9999999999", id="semicolon"),
        pytest.param("&=", id="without-name"),
        pytest.param("%00", id="nul"),
        pytest.param("%0d%0a", id="line-end"),
        pytest.param("+", id="space"),
        pytest.param("&" + "x" * 100_000 + "=" + "y" * 100_000, id="enormous"),
        pytest.param("".join(f"&x{number}=" for number in range(10_000)), id="many"),
    ],
)
def test_nothing_is_added(shared_app: Flask, url: str, more: str) -> None:
    assert refusal(fetch(shared_app, url + more)) == (403, INVALID)


@pytest.mark.parametrize("name", ["account", "expires", "inline"])
def test_nothing_is_left_out(shared_app: Flask, url: str, name: str) -> None:
    assert refusal(fetch(shared_app, with_query(url, **{name: None}))) == (403, INVALID)


def test_without_the_signature_it_is_no_signed_address(shared_app: Flask, url: str) -> None:
    assert fetch(shared_app, with_query(url, signature=None)).status_code == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expires", "9" * 5000),
        ("expires", "\u0661\u0662"),
        ("expires", "nan"),
        ("expires", "-1"),
        ("account", "not a uuid"),
        ("account", ""),
        ("signature", ""),
        ("signature", "\u0661" * 64),
        ("signature", "0" * 64),
        ("signature", "0" * 100_000),
        ("inline", "false"),
    ],
)
def test_what_is_made_up_is_refused_alike(shared_app: Flask, url: str, name: str, value: str) -> None:
    assert refusal(fetch(shared_app, with_query(url, **{name: value}))) == (403, INVALID)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_change_of_the_text_gives_the_bytes(
    shared_app: Flask, shared_device: Device, file_id: str, data: st.DataObject
) -> None:
    """Unless it only says the same in other words: percents, and the order of the query."""
    address = local(sign_file(shared_device, file_id, inline=True))
    changed = address
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(1, len(changed) - 1))
        new = data.draw(
            st.sampled_from(["", *"/?&=%+;.#\\ 0aAfF-_~", "%2F", "%26", "%3D", "%00", "\u0661", "&x=", "//"])
        )
        changed = changed[:at] + new + changed[at + data.draw(st.integers(0, 2)) :]
    response = fetch(shared_app, changed)
    if DATA in response.data:
        assert meaning(changed) == meaning(address)
    else:
        assert response.status_code in {200, 400, 401, 403, 404, 405}


def meaning(address: str) -> tuple[str, list[tuple[str, str]]]:
    """The path, of whose slashes in front one counts, and the parameters of an address, without percents."""
    parts = urlsplit(address)
    return unquote(parts.path).lstrip("/"), sorted(parse_qsl(parts.query, keep_blank_values=True))


def test_bytes_that_are_no_text_are_refused(shared_app: Flask, url: str) -> None:
    assert fetch(shared_app, url + "&x=%ff").status_code == 400


def test_a_stranger_learns_nothing_from_refusals(shared_app: Flask, shared_device: Device, file_id: str) -> None:
    """Whether there is such a file, such an account, or such an attachment: a signature that is none is all alike."""
    account = shared_device.get("/auth/me").get_json()["id"]
    answers = set()
    for path, whose in ((file_id, account), (str(uuid.uuid4()), account), (file_id, str(uuid.uuid4())), ("x", "y")):
        made_up = f"/api/files/{path}/download?account={whose}&expires=9999999999&signature={'0' * 64}"
        response = fetch(shared_app, made_up)
        kept = {name: value for name, value in response.headers if name not in {"X-Request-Id", "Date"}}
        answers.add((response.status_code, response.data, tuple(sorted(kept.items()))))
    assert len(answers) == 1


@pytest.mark.parametrize("headers", [{"X-HTTP-Method-Override": "GET"}, {"X-HTTP-Method": "GET"}])
def test_no_other_method_becomes_reading(shared_app: Flask, url: str, headers: dict[str, str]) -> None:
    assert fetch(shared_app, url, method="POST", headers=headers).status_code in {401, 405}


def test_a_preflight_tells_no_more_than_ever(shared_app: Flask, url: str) -> None:
    response = fetch(shared_app, url, method="OPTIONS")
    assert (response.status_code, response.data) == (200, b"")


def test_a_signature_lets_nobody_in_that_makes_new_ones(shared_app: Flask, url: str, file_id: str) -> None:
    made = fetch(shared_app, f"/api/files/{file_id}/url?{urlsplit(url).query}", method="POST")
    assert (made.status_code, made.get_json()) == (401, {"detail": "Not authenticated"})


def test_instances_with_one_secret_know_each_others(make_app: MakeApp, sign_in: SignIn) -> None:
    first = make_app()
    device = sign_in(first, "alice")
    url = sign_file(device, device.store(DATA)["file_id"])
    assert fetch(make_app(joins=True), url).data == DATA
    stranger = make_app(joins=True, secret_key="another secret of at least thirty-two bytes")
    assert refusal(fetch(stranger, url)) == (403, INVALID)


@pytest.mark.parametrize("proxies", [0, 1])
def test_a_prefix_of_the_operator_is_not_signed(make_app: MakeApp, sign_in: SignIn, proxies: int) -> None:
    """A proxy takes it away, or tells it; the address is the same one."""
    app = make_app(public_url=PUBLIC, trusted_proxies=proxies)
    device = sign_in(app, "alice")
    url = sign_file(device, device.store(DATA)["file_id"])
    assert url.startswith(f"{PUBLIC}/api/files/")
    behind = url.removeprefix(PUBLIC)
    assert fetch(app, behind).data == DATA
    assert fetch(app, behind, headers={"X-Forwarded-Prefix": "/some/base"}).data == DATA


def test_a_prefix_that_a_proxy_tells_is_in_the_address(make_app: MakeApp, sign_in: SignIn) -> None:
    app = make_app(trusted_proxies=1)
    device = sign_in(app, "alice")
    file_id = device.store(DATA)["file_id"]
    told = {"X-Forwarded-Prefix": "/base", "X-Forwarded-Host": "files.example.com", "X-Forwarded-Proto": "https"}
    url = device.post(f"/api/files/{file_id}/url", headers=told).get_json()["url"]
    assert url.startswith(f"https://files.example.com/base/api/files/{file_id}/download?")
    assert fetch(app, local(url).removeprefix("/base"), headers=told).data == DATA


def test_pages_of_allowed_origins_may_read_it(make_app: MakeApp, sign_in: SignIn) -> None:
    origin = "https://app.example.com"
    app = make_app(cors_origins=[origin])
    device = sign_in(app, "alice")
    url = sign_file(device, device.store(DATA)["file_id"])
    for asked in (url, with_query(url, expires="1")):
        assert fetch(app, asked, headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin
        assert "Access-Control-Allow-Origin" not in fetch(app, asked, headers={"Origin": "https://b.example"}).headers


def test_reading_goes_on_in_read_only_mode(make_app: MakeApp, sign_in: SignIn) -> None:
    writing = make_app()
    device = sign_in(writing, "alice")
    file_id = device.store(DATA)["file_id"]
    reading = make_app(joins=True, read_only=True)
    url = sign_file(Device(reading.test_client(use_cookies=False), device.headers), file_id)
    assert fetch(reading, url).data == DATA
