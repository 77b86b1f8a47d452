"""`Content-Digest` and `Repr-Digest` (RFC 9530): of the bytes of a request, and of the whole."""

import pytest

from tests.conftest import Device
from tests.web.uploads.bench import ROOT, Draft, digest, id_of, left_on, problem

DATA = b"hello"
ALGORITHMS = ["sha-256", "sha-512"]


@pytest.mark.parametrize(
    "value",
    [
        *[pytest.param(digest(DATA, algorithm), id=algorithm) for algorithm in ALGORITHMS],
        pytest.param(f"{digest(DATA, 'sha-256')}, {digest(DATA, 'sha-512')}", id="both"),
        pytest.param(f"{digest(DATA)},md5=:AAAA:", id="one-that-is-known"),
        pytest.param("md5=:AAAA:", id="none-that-is-known"),
        pytest.param("unixsum=:AAAA:", id="an-insecure-one"),
    ],
)
@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_a_digest_that_holds_or_is_not_known_lets_bytes_in(draft: Draft, field: str, value: str) -> None:
    location = draft.begin()
    response = draft.patch(location, DATA, {field: value}, complete=True)
    assert (response.status_code // 100, draft.told(response)) == (2, True)
    assert draft.device.get(f"/api/files/{id_of(location)}/download").data == DATA


WRONG = [
    *[pytest.param(digest(b"hallo", algorithm), id=algorithm) for algorithm in ALGORITHMS],
    pytest.param(f"{digest(DATA)}, {digest(b'hallo', 'sha-512')}", id="one-of-two"),
    pytest.param(digest(b""), id="of-nothing"),
]
MALFORMED = [
    pytest.param("", id="empty"),
    pytest.param("nonsense", id="a-word"),
    pytest.param("sha-256=abc", id="no-byte-sequence"),
    pytest.param("sha-256=:AAAA:", id="too-short"),
    pytest.param("sha-256=:!!!!:", id="no-base64"),
    pytest.param(digest(DATA).replace("sha-256", "SHA-256"), id="capitals"),
]


@pytest.mark.parametrize("value", [*WRONG, *MALFORMED])
@pytest.mark.parametrize("complete", [True, False], ids=["last", "not-last"])
def test_nothing_of_a_chunk_with_another_digest_counts(draft: Draft, value: str, complete: bool) -> None:
    location = draft.begin(b"abc")
    before = left_on(draft.device)
    response = draft.patch(location, DATA, {"Content-Digest": value}, offset=3, complete=complete)
    assert problem(response) == (400, "about:blank")
    assert (left_on(draft.device), draft.state(location)) == (before, ("3", False))


def test_nothing_of_a_refused_chunk_is_in_the_file(draft: Draft) -> None:
    location = draft.begin(b"abc")
    draft.patch(location, b"xyz", {"Content-Digest": digest(b"x")}, offset=3)
    assert draft.patch(location, b"def", {"Content-Digest": digest(b"def")}, offset=3, complete=True).status_code < 300
    assert draft.device.get(f"/api/files/{id_of(location)}/download").data == b"abcdef"


def test_the_digest_is_that_of_the_chunk_and_not_of_the_whole(draft: Draft) -> None:
    location = draft.begin(b"abc")
    response = draft.patch(location, b"def", {"Content-Digest": digest(b"abcdef")}, offset=3)
    assert (problem(response), draft.state(location)) == ((400, "about:blank"), ("3", False))


def test_a_digested_chunk_that_is_cut_short_does_not_count(draft: Draft) -> None:
    location = draft.begin(b"abc")
    announced = {"CONTENT_LENGTH": "9"}
    headers = {"Content-Digest": digest(DATA)}
    response = draft.patch(location, DATA, headers, offset=3, environ_overrides=announced)
    assert (problem(response), draft.state(location)) == ((400, "about:blank"), ("3", False))


@pytest.mark.parametrize("value", MALFORMED)
@pytest.mark.parametrize("field", ["Content-Digest", "Repr-Digest"])
def test_a_creation_with_a_malformed_digest_leaves_nothing(draft: Draft, field: str, value: str) -> None:
    before = left_on(draft.device)
    assert problem(draft.post(DATA, {field: value})) == (400, "about:blank")
    assert left_on(draft.device) == before


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_digest_of_the_whole_may_come_with_the_creation(draft: Draft, algorithm: str) -> None:
    location = draft.begin(b"hel", {"Repr-Digest": digest(DATA, algorithm)})
    response = draft.patch(location, b"lo", offset=3, complete=True)
    assert (draft.told(response), draft.state(location)) == (True, ("5", True))
    assert draft.device.get(f"/api/files/{id_of(location)}/download").data == DATA


@pytest.mark.parametrize("when", ["creation", "last-append"])
@pytest.mark.parametrize("value", WRONG)
def test_an_upload_of_other_bytes_than_promised_is_never_a_file(draft: Draft, value: str, when: str) -> None:
    promised = {"Repr-Digest": value}
    location = draft.begin(b"hel", promised if when == "creation" else {})
    response = draft.patch(location, b"lo", promised if when == "last-append" else {}, offset=3, complete=True)
    assert problem(response) == (400, "about:blank")
    assert draft.told(draft.head(location)) is not True
    assert draft.device.get(f"/api/files/{id_of(location)}/download").status_code == 404


def test_an_upload_of_other_bytes_than_promised_can_be_ended(draft: Draft) -> None:
    location = draft.begin(b"hel", {"Repr-Digest": digest(b"x")})
    draft.patch(location, b"lo", offset=3, complete=True)
    before = left_on(draft.device)
    assert draft.delete(location).status_code == 204
    assert left_on(draft.device).used_bytes == before.used_bytes - 5


def test_an_upload_of_other_bytes_than_promised_is_still_told(draft: Draft) -> None:
    location = draft.begin(b"hel", {"Repr-Digest": digest(b"x")})
    draft.patch(location, b"lo", offset=3, complete=True)
    assert draft.state(location) == ("5", False)
    assert draft.device.get(location).get_json()["status"] == "partial"


def test_the_last_promise_counts(draft: Draft) -> None:
    location = draft.begin(b"hel", {"Repr-Digest": digest(b"x")})
    response = draft.patch(location, b"lo", {"Repr-Digest": digest(DATA)}, offset=3, complete=True)
    assert (draft.told(response), draft.state(location)) == (True, ("5", True))


def test_a_refused_promise_changes_nothing(draft: Draft) -> None:
    location = draft.begin(b"hel", {"Repr-Digest": digest(DATA)})
    draft.patch(location, b"lo", {"Repr-Digest": digest(b"x")}, offset=4)
    assert draft.told(draft.patch(location, b"lo", offset=3, complete=True)) is True


def test_a_listed_upload_that_broke_its_promise_is_unfinished(device: Device) -> None:
    draft = Draft(device)
    location = draft.begin(b"hel", {"Repr-Digest": digest(b"x")})
    draft.patch(location, b"lo", offset=3, complete=True)
    (upload,) = device.get(ROOT).get_json()["uploads"]
    assert (upload["upload_id"], upload["status"], upload["file_id"]) == (str(id_of(location)), "partial", None)


def test_a_digest_of_unknown_algorithms_takes_no_promise_back(draft: Draft) -> None:
    location = draft.begin(headers={"Repr-Digest": digest(b"hello")})
    unknown = {"Repr-Digest": "unixsum=:AAAA:"}
    assert problem(draft.patch(location, b"other", unknown, complete=True))[0] == 400
    assert draft.state(location) == ("5", False)


def test_a_refused_append_promises_nothing(draft: Draft) -> None:
    location = draft.begin()
    wrong = {"Content-Digest": digest(b"other"), "Repr-Digest": digest(b"other")}
    assert problem(draft.patch(location, b"hello", wrong, complete=True))[0] == 400
    assert draft.patch(location, b"hello", complete=True).status_code == 200
