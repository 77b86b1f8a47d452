"""Imports from a bucket: which version is read, what it is compared with, and keys that are no names."""

import hashlib
import io
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.response import StreamingBody
from transfer_service_client import Import, TransferClient
from transfer_service_client.errors import DigestMismatch, TransferError
from transfer_service_client.importers.origin import BadAddress
from transfer_service_client.importers.s3 import S3Origin, S3Place, S3Source, parse_s3_address

from tests.client.account_service import KEY, AccountService
from tests.client.commands import Command
from tests.client.origin_server import Answer, Request, serving
from tests.client.s3_double import BUCKET, S3Double, refusal
from tests.client.test_importing import told

FILM = random.Random(3).randbytes(300_000)
Bring = Callable[..., Import]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> S3Double:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-aws")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return S3Double({"film": FILM, "a/1": b"one", "a/b/2": b"two", "a/caf\u00e9 & more": b"odd", "z": b"z"})


@pytest.fixture
def url(bucket: S3Double) -> Iterator[str]:
    with serving(bucket.answer) as address:
        yield address


@pytest.fixture
def bring(service: AccountService, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bring]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(prefix: str = "", at: str = url, patience_seconds: float = 2) -> Import:
        place = parse_s3_address(f"s3://{BUCKET}/{prefix}?endpoint={quote(at)}&region=here")
        with closing(S3Origin(place, patience_seconds=patience_seconds)) as origin:
            return client.import_from(origin, "s3")

    with TransferClient(service.url, key=KEY, verify=False) as client:
        yield run


def test_all_pages_of_it_arrive(bring: Bring, service: AccountService) -> None:
    report = bring()
    assert (report.outcome.errors, report.verified) == ([], 5)
    assert service.files["s3/film"] == FILM
    assert service.files.keys() == {"s3/film", "s3/a/1", "s3/a/b/2", "s3/a/caf\u00e9 & more", "s3/z"}


def test_a_prefix_is_a_folder(bring: Bring, service: AccountService, bucket: S3Double) -> None:
    bucket.objects["a2/no"] = b"no"
    bring("a")
    assert service.files == {"s3/1": b"one", "s3/b/2": b"two", "s3/caf\u00e9 & more": b"odd"}


def test_keys_with_a_slash_at_their_end_are_folders(bring: Bring, service: AccountService, bucket: S3Double) -> None:
    bucket.objects |= {"a/": b"", "a/empty/": b"", "a/odd/": b"bytes"}
    report = bring("a/")
    assert "s3/empty" in service.folders
    assert told(report.outcome.errors) == {"s3/odd/": "Its key is that of a folder, and it has bytes"}


def test_keys_that_can_be_no_names_are_told_and_the_others_go_on(bring: Bring, bucket: S3Double) -> None:
    bucket.objects = {"/top": b"1", "a//b": b"2", "../up": b"3", "a/../../b": b"4", "good": b"5"}
    report = bring()
    assert told(report.outcome.errors).keys() == {"s3//top", "s3/a//b", "s3/../up", "s3/a/../../b"}
    assert bucket.fetched() == ["good"]


def test_what_is_there_with_the_digest_that_the_bucket_knows_is_not_fetched_again(
    bring: Bring, bucket: S3Double
) -> None:
    bucket.digests = set(bucket.objects)
    bring()
    bucket.requests.clear()
    report = bring()
    assert (report.outcome.same, report.verified, bucket.fetched()) == (5, 5, [])


def test_a_version_that_was_read_once_is_not_fetched_again_to_be_compared(
    bring: Bring, service: AccountService, bucket: S3Double
) -> None:
    bring()
    bucket.objects["z"] = b"Z"
    bucket.requests.clear()
    report = bring()
    assert (report.outcome.same, report.outcome.done, set(bucket.fetched())) == (4, 1, {"z"})
    assert service.files["s3/z"] == b"Z"


def test_what_was_read_once_is_sent_anew_where_other_bytes_are_there_now(bring: Bring, service: AccountService) -> None:
    bring()
    service.files["s3/z"] = b"!"
    assert bring().outcome.done == 1
    assert service.files["s3/z"] == b"z"


def test_a_broken_line_goes_on_where_it_broke(bring: Bring, service: AccountService, bucket: S3Double) -> None:
    bucket.objects, bucket.cuts = {"film": FILM}, [100_000, 150_000]
    assert bring().verified == 1
    ranges = [each.headers["Range"] for each in bucket.requests if "Range" in each.headers]
    assert (len(ranges), service.files["s3/film"] == FILM) == (2, True)
    assert all(int(each.removeprefix("bytes=").rstrip("-")) >= 64 * 1024 for each in ranges)


def test_a_store_that_is_busy_is_asked_again(bring: Bring, bucket: S3Double) -> None:
    bucket.objects = {"z": b"z"}
    serve, busy = bucket.answer, [refusal(503, "SlowDown")]

    def answer(request: Request) -> Answer:
        return busy.pop() if request.path.endswith("/z") and busy else serve(request)

    with serving(answer) as address:
        assert bring(at=address).verified == 1


@pytest.mark.parametrize("knows_conditions", [True, False], ids=["conditions", "no-conditions"])
@pytest.mark.parametrize(
    ("new", "after_bytes"),
    [pytest.param(b"another", None, id="before-it-is-read"), pytest.param(FILM[::-1], 100_000, id="in-its-middle")],
)
def test_an_object_that_is_written_anew_meanwhile_is_given_up(
    bring: Bring, service: AccountService, bucket: S3Double, new: bytes, after_bytes: int | None, knows_conditions: bool
) -> None:
    bucket.objects = {"film": FILM}
    bucket.cuts = [after_bytes] if after_bytes else []
    bucket.knows_conditions = knows_conditions

    def change(request: Request) -> Answer:
        is_first = request.path.endswith("/film") == (after_bytes is not None)
        answer = bucket.answer(request)
        if is_first:
            bucket.objects["film"] = new
        return answer

    with serving(change) as address:
        report = bring(at=address)
    (words,) = told(report.outcome.errors).values()
    assert words.startswith("film was changed ")
    assert service.files == {}


@pytest.mark.parametrize(
    ("etag", "is_kms", "failed"),
    [
        pytest.param('"00112233445566778899aabbccddeeff"', False, 1, id="another-md5"),
        pytest.param('"00112233445566778899aabbccddeeff"', True, 0, id="encrypted-with-keys"),
        pytest.param('"00112233445566778899aabbccddeeff-2"', False, 0, id="of-parts"),
    ],
)
def test_bytes_are_compared_with_the_etag_where_that_is_their_md5(
    bring: Bring, service: AccountService, bucket: S3Double, etag: str, is_kms: bool, failed: int
) -> None:
    bucket.objects, bucket.etags = {"film": FILM}, {"film": etag}
    bucket.kms = {"film"} if is_kms else set()
    report = bring()
    assert (report.outcome.failed, report.verified, len(service.files)) == (failed, 1 - failed, 1 - failed)


@pytest.mark.parametrize("method", ["GET", "HEAD"], ids=["list", "digest"])
def test_a_store_that_is_busy_for_longer_is_asked_until_it_answers(bring: Bring, bucket: S3Double, method: str) -> None:
    left = [refusal(503, "SlowDown")] * 5

    def answer(request: Request) -> Answer:
        is_asked = request.method == method and (method == "HEAD" or "continuation-token" in request.query)
        return left.pop() if is_asked and left else bucket.answer(request)

    bucket.digests = {"film"}
    with serving(answer) as address:
        report = bring(at=address, patience_seconds=60)
    assert (left, report.verified, report.outcome.errors) == ([], 5, [])


def test_a_list_that_does_not_say_where_it_goes_on_is_not_taken_for_the_whole(bring: Bring, bucket: S3Double) -> None:
    def cut(request: Request) -> Answer:
        answer = bucket.answer(request)
        answer.body = answer.body.replace(b"NextContinuationToken", b"NextMarker")
        return answer

    with serving(cut) as address:
        report = bring(at=address)
    assert told(report.outcome.errors) == {
        "s3/the rest of the list": "The bucket says that its list goes on, and not where"
    }


class OneObject:
    """A client of boto3 that has one object."""

    def get_object(self, **asked: str) -> dict[str, Any]:
        body = StreamingBody(io.BytesIO(b"one"), 3)
        return {"ETag": asked["IfMatch"], "ContentLength": 3, "Body": body}


@pytest.mark.parametrize(
    ("bucket", "is_compared"), [("photos--use1-az4--x-s3", False), ("photos", True)], ids=["directory", "general"]
)
def test_the_etags_of_a_directory_bucket_are_no_md5(bucket: str, is_compared: bool) -> None:
    listed = {"Key": "1", "Size": 3, "ETag": f'"{"0" * 32}"'}
    expected = pytest.raises(DigestMismatch) if is_compared else nullcontext()
    with S3Source(OneObject(), S3Place(bucket, "", None, None), listed, None, 2) as source, expected:
        assert source.sha256() == hashlib.sha256(b"one").digest()


def test_a_prefix_with_nothing_below_it_is_told(bring: Bring) -> None:
    with pytest.raises(TransferError, match="nothing below b/ in the bucket holiday"):
        bring("b")


def test_a_list_that_breaks_off_is_told_beside_what_arrived(bring: Bring, bucket: S3Double) -> None:
    def break_off(request: Request) -> Answer:
        is_second = "continuation-token" in request.query
        return refusal(403, "AccessDenied") if is_second else bucket.answer(request)

    with serving(break_off) as address:
        report = bring(at=address)
    assert report.verified == 3
    assert told(report.outcome.errors) == {
        "s3/the rest of the list": "The bucket cannot be read: The words of AccessDenied"
    }


def test_the_command(transfer: Command, url: str, bucket: S3Double) -> None:
    address = f"s3://{BUCKET}/a?endpoint={url}&region=here"
    assert transfer("import", "s3", address, "--dry-run").lines[0] == "send 1"
    assert transfer("import", "s3", address, "--to", "in").code == 0
    assert transfer.service.files.keys() == {"in/1", "in/b/2", "in/caf\u00e9 & more"}
    bucket.failures = [refusal(403, "InvalidAccessKeyId")]
    refused = transfer("import", "s3", address, "--debug")
    assert (refused.code, "The words of InvalidAccessKeyId" in refused.err) == (1, True)
    assert "a-secret-of-aws" not in refused.err


def test_without_boto3_the_command_says_how_to_get_it(transfer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    result = transfer("import", "s3", "s3://bucket")
    assert result.code == 1
    assert result.err.startswith("transfer: This needs boto3: ")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("s3://bucket", S3Place("bucket", "", None, None), id="bucket"),
        pytest.param("s3://bucket/", S3Place("bucket", "", None, None), id="slash"),
        pytest.param("s3://bucket/a/b/?region=x", S3Place("bucket", "a/b/", None, "x"), id="prefix"),
        pytest.param("s3://bucket/what?/b?region=x", S3Place("bucket", "what?/b/", None, "x"), id="mark-in-it"),
        pytest.param("s3://bucket?endpoint=http://h:1&region=x", S3Place("bucket", "", "http://h:1", "x"), id="own"),
    ],
)
def test_addresses(text: str, place: S3Place) -> None:
    assert parse_s3_address(text) == place


@pytest.mark.parametrize(
    "text",
    ["bucket", "s3://", "https://bucket", "s3://b@d/x", "s3://bucket?key=x", "s3://bucket?region=", "s3://bucket?x"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_s3_address(text)


def test_plain_http_to_another_machine_has_to_be_allowed(transfer: Command) -> None:
    result = transfer("import", "s3", "s3://bucket?endpoint=http://store.example.com&region=x")
    assert result.code == 2
    assert "--insecure-http" in result.err
