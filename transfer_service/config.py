"""Settings of the service: one typed class, read once from the environment and `.env`.

What a value may be stands beside the settings, so that each mistake is named at the start: hence its length.
"""

import ipaddress
import json
import os
import re
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from transfer_service.key_file import MIN_KEY_BYTES, read_or_make_keys
from transfer_service.wire.store_addresses import StoreAddress, parse_store_address

KEY_FILE = "secret_key"
"""Where the data folder has the generated key."""
PERMISSION = r"\A[a-z][a-z0-9_.-]{0,99}\z"
SOURCE_PLACEHOLDERS = {"{gameId}", "{gameDataId}", "{sha256}"}

_NO_URL = re.compile(r"[^A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%{}-]")  # RFC 3986, section 2, and the braces of placeholders
_ORIGIN = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[A-Za-z0-9._-]+|\[(?P<address>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{1,5}))?"
)


class Durability(StrEnum):
    """What an acknowledgement promises (see docs/operations.md)."""

    PROCESS = "process"
    COMPLETE = "complete"
    ACK = "ack"


class ConfigurationError(Exception):
    """The settings are wrong; the message names every mistake, one a line."""


def _comma_list(value: Any) -> Any:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else []  # its error is a ValueError: one mistake among others
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def _is_origin(value: str) -> bool:
    """Whether pages may have this origin as browsers write it (RFC 6454 section 6.2). `null` every sandbox has."""
    match = _ORIGIN.fullmatch(value)
    if match is None or not 0 < int(match["port"] or 1) <= 65535:
        return False
    try:
        return match["address"] is None or bool(ipaddress.IPv6Address(match["address"]))
    except ValueError:
        return False


def _rate_limits(value: str | None) -> str | None:
    """Limits such as `600/minute;20000/hour`; raises ValueError."""
    if value is None:
        return None
    from limits import parse_many

    try:
        items = parse_many(value)
    except ValueError as error:
        raise ValueError("must look like 600/minute;20000/hour") from error
    if any(item.amount < 1 for item in items):
        raise ValueError("every limit must let a request through")
    if len({item.get_expiry() for item in items}) < len(items):
        raise ValueError("two limits have the same window")
    return value


def _is_web_address(value: str) -> bool:
    """Whether it begins with http:// or https:// and a host."""
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # it quotes what it does not understand
        return False


def _base_url(value: str) -> str:
    """A URL that the address of an archive begins with; raises ValueError, without the URL, which may hold a secret."""
    if _NO_URL.search(value):
        raise ValueError("must be a URL without spaces, fragment and characters that need to be encoded")
    for placeholder in re.findall(r"[{][^{}]*[}]|[{}]", value):
        if placeholder not in SOURCE_PLACEHOLDERS:
            raise ValueError(f"may hold {', '.join(sorted(SOURCE_PLACEHOLDERS))} and no other braces")
    if not _is_web_address(value):
        raise ValueError("must begin with http:// or https:// and a host")
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or a password")
    return value if parts.path else parts._replace(path="/").geturl()  # or the archive's name would go on the host's


def _public_url(value: str | None) -> str | None:
    """What clients call the service, without a slash at the end; raises ValueError."""
    if value is None:
        return None
    if not _is_web_address(value) or _NO_URL.search(value) or "@" in urlsplit(value).netloc or set(value) & set("?#{}"):
        raise ValueError("must look like https://files.example.com or https://example.com/base")
    return value.rstrip("/")


def _issuer(value: str | None) -> str | None:
    """An issuer of OpenID Connect as it calls itself (Discovery 1.0, section 3); raises ValueError."""
    if value is None:
        return None
    if not _is_web_address(value) or _NO_URL.search(value) or "@" in urlsplit(value).netloc or set(value) & set("?#{}"):
        raise ValueError("must look like https://login.example.com/realms/company")
    _need("authlib", "requirements-oidc.txt")
    return value


def _json_object(value: Any) -> Any:
    return {} if value == "" else _json(value)


def _host_and_port(value: str) -> str:
    if value.startswith("unix:") and len(value) > len("unix:"):
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must look like 127.0.0.1:8000, [::1]:8000 or unix:/run/transfer.sock")
    if host.startswith("["):
        ipaddress.IPv6Address(host.strip("[]"))
    return value


def _collector(value: str | None) -> str | None:
    """Where traces go; raises ValueError, without the URL."""
    if value is not None and not (_is_web_address(value) and "@" not in urlsplit(value).netloc):
        raise ValueError("must look like http://127.0.0.1:4318, without a user name or a password")
    return value


def _tcp_address(value: str | None) -> str | None:
    """A host and a port that is known beforehand; raises ValueError."""
    if value is not None:
        if value.startswith("unix:"):
            raise ValueError("must look like 127.0.0.1:9464 or [::1]:9464")
        if int(_host_and_port(value).rpartition(":")[2]) == 0:
            raise ValueError("needs a port from 1 to 65535")
    return value


def _long_enough(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value().encode()) < MIN_KEY_BYTES:
        raise ValueError(f"needs at least {MIN_KEY_BYTES} bytes")
    return value


def known_database(value: str | None) -> str | None:
    """The URL of a database as SQLAlchemy has it; raises ValueError, without the URL."""
    scheme, _, rest = (value or "").partition(":")
    if value is None or scheme == "sqlite":
        return value
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ValueError("must start with sqlite:/// or postgresql://")
    _need("psycopg", "requirements-postgresql.txt")
    url = f"postgresql+psycopg:{rest}"
    if not _is_database_url(url):
        raise ValueError(
            "must look like postgresql://user:password@host/name; in the password @ is written as %40, and % as %25"
        )
    return url


def _is_database_url(url: str) -> bool:
    """Whether SQLAlchemy reads it as it was meant: a sign of a password must not end up in the host or the port."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return "@" not in (make_url(url).host or "")
    except (ArgumentError, ValueError):  # both with the URL, or a piece of it, in their message
        return False


def known_storage(value: str | None) -> str | None:
    """The address of a store as it is; raises ValueError, without what may be a password."""
    if value is None:
        return None
    scheme, _, rest = value.partition(":")
    if scheme == "s3":
        parse_store_address(value)
        _need("boto3", "requirements-s3.txt")
    elif scheme != "file" or not rest.startswith("/"):
        raise ValueError("must be file:/absolute/folder or s3://bucket/prefix")
    return value


def _known_redis(value: str | None) -> str | None:
    if value is not None:
        if urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must start with redis://, rediss:// or unix://")
        _need("redis", "requirements-redis.txt")
    return value


def _need(package: str, requirements: str) -> None:
    """Raises ValueError where an optional package is missing, or what it needs itself."""
    try:
        import_module(package)
    except ImportError as error:
        extra = requirements.removeprefix("requirements-").removesuffix(".txt")
        raise ValueError(f"needs the packages of {requirements}, or transfer-service[{extra}]") from error


def _exact_origins(value: list[str]) -> list[str]:
    wrong = [each for each in value if not _is_origin(each)]
    if wrong and value != ["*"]:
        raise ValueError(f"{', '.join(wrong)}: must be exact origins, scheme://host[:port], or * alone")
    return [each.lower() for each in value]


class GameDataSource(BaseModel):
    """Where remote downloads come from: a web server that has every archive under a base URL."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: Literal["raw"]
    name: str = Field(min_length=1, max_length=100)
    arguments: list[Annotated[str, AfterValidator(_base_url)]] = Field(min_length=1, max_length=1)

    @property
    def base_url(self) -> str:
        """What the addresses of its archives begin with, or are filled into."""
        return self.arguments[0]


def _different_names(value: list[GameDataSource]) -> list[GameDataSource]:
    if len({source.name for source in value}) < len(value):
        raise ValueError("every source needs a name of its own")
    return value


_EMPTY_IS_NONE = BeforeValidator(lambda value: None if value == "" else value)


class Settings(BaseSettings):
    """Every setting the service knows, with its default. Sizes accept `10GiB`, `50 MiB` or plain bytes."""

    model_config = SettingsConfigDict(env_file=".env", env_prefix="TRANSFER_", extra="ignore", populate_by_name=True)

    secret_key: Annotated[
        SecretStr | None, Field(validation_alias="SECRET_KEY"), _EMPTY_IS_NONE, AfterValidator(_long_enough)
    ] = None
    previous_secret_keys: Annotated[
        list[Annotated[SecretStr, AfterValidator(_long_enough)]], NoDecode, BeforeValidator(_comma_list)
    ] = []
    access_token_expire_minutes: int = Field(
        default=30, validation_alias="ACCESS_TOKEN_EXPIRE_MINUTES", ge=1, le=525_600
    )
    refresh_token_days: int = Field(default=30, ge=1, le=3650)
    bind: Annotated[str, AfterValidator(_host_and_port)] = "127.0.0.1:8000"
    metrics_bind: Annotated[str | None, _EMPTY_IS_NONE, AfterValidator(_tcp_address)] = None
    data_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Path("var")
    database_url: Annotated[str | None, _EMPTY_IS_NONE, AfterValidator(known_database)] = None
    storage_url: Annotated[str | None, _EMPTY_IS_NONE, AfterValidator(known_storage)] = None
    redis_url: Annotated[str | None, _EMPTY_IS_NONE, AfterValidator(_known_redis)] = None
    max_file_bytes: ByteSize = Field(default=ByteSize(10 * 1024**3), ge=1, le=2**53)
    quota_bytes: Annotated[ByteSize | None, _EMPTY_IS_NONE] = None
    stale_upload_hours: float = Field(default=24, gt=0)
    quarantine_days: float = Field(default=7, ge=0, le=3650)
    trash_days: float = Field(default=0, ge=0, le=3650)
    activity_days: float = Field(default=400, ge=1, le=36_500)
    durability: Durability = Durability.COMPLETE
    read_timeout_seconds: float = Field(default=60, ge=1)
    accel: Annotated[Literal["nginx"] | None, _EMPTY_IS_NONE] = None
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    rate_limits: Annotated[str | None, _EMPTY_IS_NONE, AfterValidator(_rate_limits)] = None
    public_url: Annotated[str | None, _EMPTY_IS_NONE, AfterValidator(_public_url)] = None
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(_comma_list), AfterValidator(_exact_origins)] = []
    socket_max_bytes: ByteSize = Field(default=ByteSize(50 * 1024**2), ge=1024)
    game_data_sources: Annotated[
        list[GameDataSource], NoDecode, BeforeValidator(_json), AfterValidator(_different_names)
    ] = []
    max_remote_downloads: int = Field(default=3, ge=1, le=1000)
    allow_private_sources: bool = False
    read_only: bool = False
    previews: bool = True

    s3_redirect: bool = False
    oidc_issuer: Annotated[str | None, Field(max_length=255), _EMPTY_IS_NONE, AfterValidator(_issuer)] = None
    oidc_client_id: Annotated[str | None, _EMPTY_IS_NONE] = None
    oidc_client_secret: Annotated[SecretStr | None, _EMPTY_IS_NONE] = None
    oidc_groups: Annotated[
        dict[str, list[Annotated[str, Field(pattern=PERMISSION)]]], NoDecode, BeforeValidator(_json_object)
    ] = {}
    otlp_endpoint: Annotated[
        str | None, Field(validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT"), _EMPTY_IS_NONE, AfterValidator(_collector)
    ] = None
    _has_generated_key: bool = PrivateAttr(default=False)

    @property
    def generated_key(self) -> Path | None:
        """The file that holds the keys, None where `SECRET_KEY` is set."""
        return self.data_dir / KEY_FILE if self._has_generated_key else None

    def use_generated_key(self) -> None:
        """Take the keys of the file in the data folder, which is made if it is not there. Raises ValueError."""
        keys = read_or_make_keys(self.data_dir / KEY_FILE)
        self._has_generated_key = True
        self.secret_key = SecretStr(keys.signing)
        self.previous_secret_keys = [*map(SecretStr, keys.verifying), *self.previous_secret_keys]

    @property
    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL: the one given, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'transfer.sqlite3'}"

    @property
    def store_address(self) -> StoreAddress | None:
        """The object store that holds stored bytes, None where a folder does."""
        is_remote = self.storage_url is not None and self.storage_url.startswith("s3:")
        return parse_store_address(self.storage_url or "") if is_remote else None

    @property
    def is_on_many_machines(self) -> bool:
        """Whether nothing that counts is on this machine, so that there may be instances on others."""
        return self.store_address is not None and (self.database_url or "").startswith("postgresql")

    @property
    def blob_dir(self) -> Path:
        """The folder that holds stored bytes, where no object store does."""
        return Path(urlsplit(self.storage_url).path) if self.storage_url else self.data_dir / "blobs"


def load_settings() -> Settings:
    """Read the settings and make sure there is a secret key.

    Raises ConfigurationError with every wrong value and unknown `TRANSFER_` name in it.
    """
    _pass_credentials_on()
    mistakes = [f"{name}: unknown setting" for name in _unknown_names()]
    try:
        settings = Settings()
    except ValidationError as error:
        mistakes += [f"{_place(item['loc'])}: {item['msg']}" for item in error.errors()]
    else:
        if settings.metrics_bind == settings.bind:
            mistakes.append("TRANSFER_METRICS_BIND: must be another address than TRANSFER_BIND")
        if settings.secret_key is None and settings.is_on_many_machines:
            mistakes.append(
                "SECRET_KEY: missing setting: every instance on PostgreSQL and an object store needs the same"
            )
        mistakes += _missing_for_openid(settings)
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    if settings.secret_key is None:
        try:
            settings.use_generated_key()
        except ValueError as error:
            raise ConfigurationError(
                f"SECRET_KEY: the generated key in {settings.data_dir / KEY_FILE} {error}; delete it to make a new one"
            ) from None
    return settings


def _missing_for_openid(settings: Settings) -> list[str]:
    """What sign-in by OpenID Connect lacks, where some of it is set."""
    needed = ("oidc_issuer", "oidc_client_id", "oidc_client_secret")
    missing = [f"TRANSFER_{name.upper()}" for name in needed if getattr(settings, name) is None]
    is_wanted = len(missing) < len(needed) or settings.oidc_groups
    return [f"{name}: missing setting: sign-in by OpenID Connect needs it" for name in missing] if is_wanted else []


def _pass_credentials_on() -> None:
    """Let boto3 and OpenTelemetry find in the environment what `.env` has for them.

    The `flask` command does so too, gunicorn does not.
    """
    for name, value in dotenv_values(".env").items():
        if name.startswith(("AWS_", "OTEL_")) and value is not None:
            os.environ.setdefault(name, value)


def _place(location: tuple[int | str, ...]) -> str:
    """Which setting is wrong, and where in its value: `TRANSFER_GAME_DATA_SOURCES: [1].name`."""
    name, *steps = map(str, location)
    place = "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in steps)
    return (name if name.isupper() else f"TRANSFER_{name.upper()}") + (f": {place}" if place else "")


def _unknown_names() -> list[str]:
    known = {f"TRANSFER_{name.upper()}" for name in Settings.model_fields}
    known -= {"TRANSFER_SECRET_KEY", "TRANSFER_ACCESS_TOKEN_EXPIRE_MINUTES", "TRANSFER_OTLP_ENDPOINT"}
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    return sorted(name for name in given - known if name.startswith("TRANSFER_"))
