"""A bucket of S3, or of what speaks like it, as an origin. Needs boto3, which only this module imports."""

import hashlib
import re
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from transfer_service_client.connection.patience import PATIENCE_SECONDS, pauses
from transfer_service_client.errors import DigestMismatch, FileChanged, TransferError
from transfer_service_client.folders.walking import Unsendable
from transfer_service_client.importers.origin import BadAddress, Found, OriginFile, OriginFolder
from transfer_service_client.importers.remote_source import Body, Broken, RemoteSource
from transfer_service_client.uploads.sources import Source

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')  # the ETag of what was sent in one piece
_OF_RANDOM_ETAGS = "--x-s3"  # the end of the name of a directory bucket (S3 Express)
_CHANGED = frozenset({"PreconditionFailed", "412", "NoSuchKey", "404", "InvalidRange", "416"})
_PASSING_FROM = 500
_PASSING = frozenset({408, 429})
_PASSING_CODES = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestThrottled"})
_BLOCK_BYTES = 64 * 1024  # what has come of one is lost with the line
_SHORT_PATIENCE_SECONDS = 10.0  # at the start most of the time the address is wrong
_CONNECT_SECONDS, _SILENT_SECONDS, _CONNECTIONS = 10.0, 90.0, 64


@dataclass(frozen=True)
class S3Place:
    """Where it is: `prefix` is empty, or a folder with a slash at its end."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None


def parse_s3_address(text: str) -> S3Place:
    """`s3://bucket/prefix?endpoint=…&region=…`. Raises BadAddress."""
    scheme, _, rest = text.partition("://")
    path, mark, query = rest.rpartition("?") if "?" in rest else (rest, "", "")
    bucket, _, prefix = path.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise BadAddress(f"{text} is no address of a bucket, as s3://bucket/folder is one")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if (mark and not options) or not options.keys() <= {"endpoint", "region"} or not all(options.values()):
        raise BadAddress(f"{text}: behind the question mark may be endpoint=https://… and region=…")
    prefix = prefix.rstrip("/")
    return S3Place(bucket, f"{prefix}/" if prefix else "", options.get("endpoint"), options.get("region"))


class S3Origin:
    """The objects below a prefix. boto3 finds the credentials as always: environment, files, roles."""

    def __init__(self, place: S3Place, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Raises TransferError where boto3 is missing."""
        self._place = place
        self._patience_seconds = patience_seconds
        with _in_words():
            self._client = _client(place)

    def found(self) -> Iterator[Found]:
        """What is there. Raises TransferError where it cannot be listed, or where nothing is below the prefix."""
        count = 0
        try:
            with _in_words():
                for each in self._objects():
                    count += 1
                    found = self._found(each)
                    if found is not None:
                        yield found
        except TransferError as error:
            if not count:
                raise
            yield Unsendable("the rest of the list", error)
        if not count and self._place.prefix:
            raise TransferError(f"There is nothing below {self._place.prefix} in the bucket {self._place.bucket}")

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _objects(self) -> Iterator[dict[str, Any]]:
        asked = {"Bucket": self._place.bucket, "Prefix": self._place.prefix}
        patience = min(self._patience_seconds, _SHORT_PATIENCE_SECONDS)
        while True:
            page = _patiently(partial(self._client.list_objects_v2, **asked), patience)
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
            following = page.get("NextContinuationToken")
            if not following or following == asked.get("ContinuationToken"):
                raise TransferError("The bucket says that its list goes on, and not where")
            asked["ContinuationToken"], patience = following, self._patience_seconds

    def _found(self, listed: dict[str, Any]) -> Found | None:
        name, size = listed["Key"][len(self._place.prefix) :], int(listed["Size"])
        if not name:
            return None  # the folder itself
        if not name.endswith("/"):
            return OriginFile(name, size, partial(self._open, listed))
        if size:
            return Unsendable(name, TransferError("Its key is that of a folder, and it has bytes"))
        return OriginFolder(name[:-1])

    def _open(self, listed: dict[str, Any]) -> Source:
        with _in_words():
            return S3Source(self._client, self._place, listed, self._sha256(listed), self._patience_seconds)

    def _sha256(self, listed: dict[str, Any]) -> bytes | None:
        """What the store says of the whole object, where it knows."""
        if "SHA256" not in (listed.get("ChecksumAlgorithm") or ()):
            return None
        asked = {"Bucket": self._place.bucket, "Key": listed["Key"], "IfMatch": listed["ETag"]}
        told = _patiently(partial(self._client.head_object, ChecksumMode="ENABLED", **asked), self._patience_seconds)
        text = told.get("ChecksumSHA256") or "-"
        if told.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT" or "-" in text:  # of parts: a digest of digests
            return None
        digest = b64decode(text)
        return digest if len(digest) == hashlib.sha256().digest_size else None


class S3Source(RemoteSource):
    """One object, in the version that was listed: every request says so by its ETag."""

    def __init__(
        self, client: Any, place: S3Place, listed: dict[str, Any], sha256: bytes | None, patience_seconds: float
    ) -> None:
        super().__init__(listed["Key"], int(listed["Size"]), sha256=sha256, patience_seconds=patience_seconds)
        self._client, self._place = client, place
        self._etag: str = listed["ETag"]
        found = None if place.bucket.endswith(_OF_RANDOM_ETAGS) else _MD5.fullmatch(self._etag)
        self._expected = found[1] if found and sha256 is None and self.size else None
        self._md5 = hashlib.md5(usedforsecurity=False)

    @property
    def identity(self) -> tuple[str | int, ...]:
        """Where it is, and its version."""
        return "s3", self._place.endpoint or "", self._place.bucket, self.label, self.size, self._etag

    def check(self) -> None:
        """Nothing is left to ask: a request for another version has failed."""

    def sha256(self) -> bytes:
        """The digest of the whole. Raises DigestMismatch where other bytes arrived than the store has an MD5 of."""
        digest = super().sha256()
        if self._expected is not None and self._md5.hexdigest() != self._expected:
            raise DigestMismatch(f"{self.label} has another MD5 than its ETag says")
        return digest

    def _absorb(self, data: memoryview) -> None:
        super()._absorb(data)
        if self._expected is not None:
            self._md5.update(data)

    def _open_at(self, start: int) -> Body:
        from botocore.exceptions import BotoCoreError, ClientError

        asked = {"Bucket": self._place.bucket, "Key": self.label, "IfMatch": self._etag}
        if start:
            asked["Range"] = f"bytes={start}-"
        try:
            answer = self._client.get_object(**asked)
        except ClientError as error:
            raise self._judged(error) from error
        except (BotoCoreError, OSError) as error:
            if _is_passing(error):
                raise Broken(error) from error
            raise TransferError(f"The bucket cannot be read: {error}") from error  # as credentials that have ended
        if answer.get("ETag") != self._etag or answer.get("ContentLength") != self.size - start:
            answer["Body"].close()
            raise FileChanged(f"{self.label} was changed while it was imported")
        if answer.get("ServerSideEncryption", "").startswith("aws:kms") or answer.get("SSECustomerAlgorithm"):
            self._expected = None  # then the ETag is no MD5
        return Body(_chunks(answer["Body"], self.label), answer["Body"].close)

    def _judged(self, error: Any) -> Exception:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _CHANGED:
            return FileChanged(f"{self.label} was changed or removed while it was imported")
        words = _words_of(error)
        return Broken(words) if _is_passing(error) else TransferError(words)


def _patiently(do: Callable[[], dict[str, Any]], patience_seconds: float) -> dict[str, Any]:
    """What a request answers, which is made again while that may help. Raises what boto3 does."""
    from botocore.exceptions import BotoCoreError, ClientError

    for pause in pauses(patience_seconds):
        try:
            return do()
        except (BotoCoreError, ClientError, OSError) as error:
            problem = error
        if not _is_passing(problem) or not pause(problem):
            raise problem
    raise AssertionError  # the pauses do not end


def _is_passing(error: Exception) -> bool:
    """Whether the same may go well later."""
    from botocore.exceptions import ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NotConnected

    if not isinstance(error, ClientError):
        return isinstance(error, (NotConnected, HTTPClientError, OSError))
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= _PASSING_FROM or status in _PASSING or code in _PASSING_CODES


def _chunks(body: Any, label: str) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError, FlexibleChecksumError

    try:
        yield from body.iter_chunks(_BLOCK_BYTES)
    except FlexibleChecksumError as error:
        raise DigestMismatch(f"{label} was damaged on its way from the bucket") from error
    except (BotoCoreError, OSError) as error:
        raise Broken(error) from error


def _client(place: S3Place) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise TransferError(f"This needs boto3: {sys.executable} -m pip install boto3") from error
    return boto3.client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=place.region,
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_SILENT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": 1},  # the patience is this module's own
            max_pool_connections=_CONNECTIONS,
            s3={"addressing_style": "path" if place.endpoint else "auto"},
        ),
    )


@contextmanager
def _in_words() -> Iterator[None]:
    """Raises TransferError in place of what boto3 raises."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        yield
        return
    try:
        yield
    except ClientError as error:
        raise TransferError(_words_of(error)) from error
    except (BotoCoreError, ValueError, KeyError, TypeError) as error:  # or it answered what no bucket does
        raise TransferError(f"The bucket cannot be read: {error}") from error


def _words_of(error: Any) -> str:
    told = error.response.get("Error", {})
    return f"The bucket cannot be read: {told.get('Message') or told.get('Code') or error}"
