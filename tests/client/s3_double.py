"""A bucket of a few dozen lines, by the API of S3: ListObjectsV2, GetObject and HeadObject with If-Match and ranges."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from tests.client.origin_server import Answer, Request, part_of

BUCKET = "holiday"
PAGE = 3


@dataclass
class S3Double:
    """`digests` are those whose SHA-256 it knows; `etags` are told in place of the MD5; `cuts` as their names say."""

    objects: dict[str, bytes] = field(default_factory=dict)
    digests: set[str] = field(default_factory=set)
    etags: dict[str, str] = field(default_factory=dict)
    kms: set[str] = field(default_factory=set)
    cuts: list[int] = field(default_factory=list)
    knows_conditions: bool = True
    failures: list[Answer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.failures:
            return self.failures.pop(0)
        key = request.path.removeprefix(f"/{BUCKET}").removeprefix("/")
        if not key:
            return self._list(request.query)
        if key not in self.objects:
            return refusal(404, "NoSuchKey")
        etag = self.etag(key)
        if self.knows_conditions and request.headers.get("If-Match", etag) != etag:
            return refusal(412, "PreconditionFailed")
        fields = {"ETag": etag, "Last-Modified": "Mon, 06 May 2024 07:08:09 GMT"}
        if key in self.kms:
            fields["x-amz-server-side-encryption"] = "aws:kms"
        if request.method == "HEAD" and key in self.digests:
            fields["x-amz-checksum-sha256"] = b64encode(hashlib.sha256(self.objects[key]).digest()).decode()
            fields["x-amz-checksum-type"] = "FULL_OBJECT"
        status, data, told = part_of(self.objects[key], request.headers.get("Range"))
        cut_at = self.cuts.pop(0) if self.cuts and request.method == "GET" else None
        return Answer(status, data, {**fields, **told}, cut_at)

    def etag(self, key: str) -> str:
        return self.etags.get(key, f'"{hashlib.md5(self.objects[key], usedforsecurity=False).hexdigest()}"')

    def fetched(self) -> list[str]:
        """The keys whose bytes were asked for."""
        prefix = f"/{BUCKET}/"
        return [each.path.removeprefix(prefix) for each in self.requests if each.method == "GET" and each.path > prefix]

    def _list(self, query: dict[str, str]) -> Answer:
        keys = sorted(key for key in self.objects if key.startswith(query.get("prefix", "")))
        start = int(query.get("continuation-token", 0))
        told = "".join(self._told(key) for key in keys[start : start + PAGE])
        is_cut = start + PAGE < len(keys)
        more = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if is_cut else ""
        body = f"<ListBucketResult><IsTruncated>{str(is_cut).lower()}</IsTruncated>{more}{told}</ListBucketResult>"
        return Answer(200, body.encode(), {"Content-Type": "application/xml"})

    def _told(self, key: str) -> str:
        known = "<ChecksumAlgorithm>SHA256</ChecksumAlgorithm>" if key in self.digests else ""
        etag, size = escape(self.etag(key)), len(self.objects[key])
        return f"<Contents><Key>{escape(key)}</Key><ETag>{etag}</ETag><Size>{size}</Size>{known}</Contents>"


def refusal(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>The words of {code}</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})
