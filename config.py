"""Settings of the service: one typed class, read once from the environment and `.env`."""

import ipaddress
import json
import os
import re
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from limits import parse_many
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIN_SECRET_BYTES = 32
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


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _comma_list(value: Any) -> Any:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


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
    try:
        items = parse_many(value)
    except ValueError as error:
        raise ValueError("must look like 600/minute;20000/hour") from error
    if any(item.amount < 1 for item in items):
        raise ValueError("every limit must let a request through")
    if len({item.get_expiry() for item in items}) < len(items):
        raise ValueError("two limits have the same window")
    return value


def _base_url(value: str) -> str:
    """A URL that the address of an archive begins with; raises ValueError, without the URL, which may hold a secret."""
    if _NO_URL.search(value):
        raise ValueError("must be a URL without spaces, fragment and characters that need to be encoded")
    for placeholder in re.findall(r"[{][^{}]*[}]|[{}]", value):
        if placeholder not in SOURCE_PLACEHOLDERS:
            raise ValueError(f"may hold {', '.join(sorted(SOURCE_PLACEHOLDERS))} and no other braces")
    try:
        parts = urlsplit(value)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # it quotes what it does not understand
        is_whole = False
    if not is_whole:
        raise ValueError("must begin with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or a password")
    return value if parts.path else parts._replace(path="/").geturl()  # or the archive's name would go on the host's


def _public_url(value: str) -> str:
    """What clients call the service, without a slash at the end; raises ValueError."""
    message = "must look like https://files.example.com or https://example.com/base"
    try:
        parts = urlsplit(value)
        is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise ValueError(message) from error
    if not is_whole or _NO_URL.search(value) or "@" in parts.netloc or set(value) & set("?#{}"):
        raise ValueError(message)
    return value.rstrip("/")


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


class Settings(BaseSettings):
    """Every setting the service knows, with its default. Sizes accept `10GiB`, `50 MiB` or plain bytes."""

    model_config = SettingsConfigDict(env_file=".env", env_prefix="TRANSFER_", extra="ignore", populate_by_name=True)

    secret_key: Annotated[SecretStr | None, Field(validation_alias="SECRET_KEY"), BeforeValidator(_none_if_empty)] = (
        None
    )
    access_token_expire_minutes: Annotated[
        int, Field(validation_alias="ACCESS_TOKEN_EXPIRE_MINUTES", ge=1, le=60 * 24 * 365)
    ] = 30
    refresh_token_days: int = Field(default=30, ge=1, le=3650)
    bind: str = "127.0.0.1:8000"
    data_dir: Path = Path("var")
    database_url: str | None = None
    storage_url: str | None = None
    redis_url: str | None = None
    max_file_bytes: ByteSize = Field(default=ByteSize(10 * 1024**3), ge=1, le=2**53)
    quota_bytes: Annotated[ByteSize | None, BeforeValidator(_none_if_empty)] = None
    stale_upload_hours: float = Field(default=24, gt=0)
    quarantine_days: float = Field(default=7, ge=0, le=3650)
    durability: Durability = Durability.COMPLETE
    read_timeout_seconds: float = Field(default=60, ge=1)
    accel: Annotated[Literal["nginx"] | None, BeforeValidator(_none_if_empty)] = None
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    rate_limits: Annotated[str | None, BeforeValidator(_none_if_empty), AfterValidator(_rate_limits)] = None
    public_url: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(_comma_list)] = []
    socket_max_bytes: ByteSize = Field(default=ByteSize(50 * 1024**2), ge=1024)
    game_data_sources: Annotated[list[GameDataSource], NoDecode, BeforeValidator(_json)] = []
    max_remote_downloads: int = Field(default=3, ge=1, le=1000)
    allow_private_sources: bool = False

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"needs at least {MIN_SECRET_BYTES} bytes")
        return value

    @field_validator("bind")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        if value.startswith("unix:") and len(value) > len("unix:"):
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ValueError("must look like 127.0.0.1:8000, [::1]:8000 or unix:/run/transfer.sock")
        if host.startswith("["):
            ipaddress.IPv6Address(host.strip("[]"))
        return value

    @field_validator("public_url")
    @classmethod
    def _whole_public_url(cls, value: str | None) -> str | None:
        return None if value is None else _public_url(value)

    @field_validator("database_url", "storage_url", "redis_url", mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any) -> Any:
        return _none_if_empty(value)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme = value.partition(":")[0]
        if scheme in {"postgresql", "postgres"}:
            return "postgresql+psycopg:" + value.partition(":")[2]
        if scheme not in {"sqlite", "postgresql+psycopg"}:
            raise ValueError("must start with sqlite:/// or postgresql://")
        return value

    @field_validator("storage_url")
    @classmethod
    def _known_storage(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme != "file" or not urlsplit(value).path):
            raise ValueError("must be file:/absolute/folder; this version keeps bytes on local disk only")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _exact_origins(cls, value: list[str]) -> list[str]:
        if value == ["*"]:
            return value
        wrong = [each for each in value if not _is_origin(each)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: must be exact origins, scheme://host[:port], or * alone")
        return [each.lower() for each in value]

    @field_validator("game_data_sources")
    @classmethod
    def _different_names(cls, value: list[GameDataSource]) -> list[GameDataSource]:
        if len({source.name for source in value}) < len(value):
            raise ValueError("every source needs a name of its own")
        return value

    @model_validator(mode="after")
    def _absolute_data_dir(self) -> Self:
        self.data_dir = self.data_dir.expanduser().absolute()
        return self

    @property
    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL: the one given, or SQLite in the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir / 'transfer.sqlite3'}"

    @property
    def blob_dir(self) -> Path:
        """The folder that holds stored bytes."""
        return Path(urlsplit(self.storage_url).path) if self.storage_url else self.data_dir / "blobs"


def load_settings() -> Settings:
    """Read the settings and make sure there is a secret key.

    Raises ConfigurationError with every wrong value and unknown `TRANSFER_` name in it.
    """
    mistakes = [f"{name}: unknown setting" for name in _unknown_names()]
    try:
        settings = Settings()
    except ValidationError as error:
        mistakes += [f"{_setting_name(item['loc'])}: {_place(item['loc'])}{item['msg']}" for item in error.errors()]
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    if settings.secret_key is None:
        settings.secret_key = SecretStr(_kept_secret(settings.data_dir / "secret_key"))
    return settings


def _setting_name(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name.isupper() else f"TRANSFER_{name.upper()}"


def _place(location: tuple[int | str, ...]) -> str:
    """Where in a setting's value a mistake is: `[1].name: `, nothing for the value as a whole."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location[1:])
    return f"{place}: " if place else ""


def _unknown_names() -> list[str]:
    known = {f"TRANSFER_{name.upper()}" for name in Settings.model_fields}
    known -= {"TRANSFER_SECRET_KEY", "TRANSFER_ACCESS_TOKEN_EXPIRE_MINUTES"}
    given = {name.upper() for name in (*os.environ, *dotenv_values(".env"))}
    return sorted(name for name in given - known if name.startswith("TRANSFER_"))


def _kept_secret(path: Path) -> str:
    """Read the generated key, or make it: mode 0600, and the same for processes that start together."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails where another process was first: then its key counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    secret = path.read_text().strip()
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigurationError(
            f"SECRET_KEY: the generated key in {path} is damaged; delete the file to make a new one"
        )
    return secret
