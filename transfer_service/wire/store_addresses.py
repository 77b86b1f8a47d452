"""The address of an object store: `s3://bucket/prefix[?endpoint=https://host&region=name]`."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()-]+(?:/[A-Za-z0-9!_.*'()-]+)*", re.ASCII)  # what every store takes as it is
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_ENDPOINT = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_MAX_PREFIX = 128  # of 512 that a row has for a name


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Which bucket, and what the names of our objects in it begin with. Without `endpoint` it is Amazon's."""

    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None


def parse_store_address(url: str) -> StoreAddress:
    """The address in a URL. Raises ValueError with every mistake, and without what may be a password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("must look like s3://bucket/prefix") from error
    options, mistakes = _options(parts.query)
    if "@" in parts.netloc:
        mistakes.append("must not hold credentials: boto3 finds them in the environment or its own files")
    elif not _BUCKET.fullmatch(parts.netloc) or ".." in parts.netloc:
        mistakes.append("the bucket must have 3 to 63 lower-case letters, digits, dots and hyphens")
    prefix = unquote(parts.path).strip("/")
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _MAX_PREFIX or {".", ".."} & set(prefix.split("/")):
        mistakes.append(
            f"needs a prefix, of at most {_MAX_PREFIX} letters, digits and !_.*'()-/, as in s3://bucket/prefix"
        )
    if parts.fragment:
        mistakes.append("must not have a fragment")
    endpoint, region = options.get("endpoint"), options.get("region")
    if endpoint is not None and not _is_endpoint(endpoint):
        mistakes.append("endpoint must be http:// or https://, a host and perhaps a port, and nothing else")
    if region is not None and not _REGION.fullmatch(region):
        mistakes.append("region must be a name such as eu-central-1")
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return StoreAddress(parts.netloc, prefix, endpoint and endpoint.rstrip("/"), region)


def _options(query: str) -> tuple[dict[str, str], list[str]]:
    """What the query names, and what is wrong with it."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        return {}, ["the query must look like ?endpoint=https://host&region=name"]
    names = [name for name, _ in pairs]
    mistakes = [f"{name} is given more than once" for name in ("endpoint", "region") if names.count(name) > 1]
    if set(names) - {"endpoint", "region"}:
        mistakes.append("knows endpoint and region and no other option")
    return dict(pairs), mistakes


def _is_endpoint(value: str) -> bool:
    if not _ENDPOINT.fullmatch(value.removesuffix("/")):
        return False
    try:
        return urlsplit(value).port != 0
    except ValueError:  # past 65535
        return False
