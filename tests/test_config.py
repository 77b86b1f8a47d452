"""Reading the settings: `load_settings` from the environment and `.env`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from config import ConfigurationError, Durability, GameDataSource, load_settings
from transfer_service.key_file import rotate_key
from transfer_service.wire.store_addresses import StoreAddress

REPOSITORY = Path(__file__).parents[1]
SECRET = "a secret of the tests with at least 32 bytes"
OTHER = "another one of the tests with at least 32 bytes"
MIRROR = {"type": "raw", "name": "mirror", "arguments": ["https://h/games/"]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("TRANSFER_") or name in {"SECRET_KEY", "ACCESS_TOKEN_EXPIRE_MINUTES"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")  # what is loaded of a file goes after the test
    return tmp_path


def mistakes(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    """The names of the settings that `load_settings` complains about."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return sorted(line.partition(":")[0] for line in str(caught.value).splitlines())


def test_the_defaults_are_those_of_the_contract(folder: Path) -> None:
    settings = load_settings()
    values = settings.model_dump(exclude={"secret_key"})
    assert values == {
        "access_token_expire_minutes": 30,
        "previous_secret_keys": [],
        "refresh_token_days": 30,
        "bind": "127.0.0.1:8000",
        "data_dir": folder / "var",
        "database_url": None,
        "storage_url": None,
        "redis_url": None,
        "rate_limits": None,
        "max_file_bytes": 10 * 1024**3,
        "quota_bytes": None,
        "stale_upload_hours": 24,
        "quarantine_days": 7,
        "trash_days": 0,
        "activity_days": 400,
        "durability": Durability.COMPLETE,
        "read_timeout_seconds": 60,
        "accel": None,
        "trusted_proxies": 0,
        "public_url": None,
        "cors_origins": [],
        "socket_max_bytes": 50 * 1024**2,
        "game_data_sources": [],
        "max_remote_downloads": 3,
        "allow_private_sources": False,
        "s3_redirect": False,
        "oidc_issuer": None,
        "oidc_client_id": None,
        "oidc_client_secret": None,
        "oidc_groups": {},
        "read_only": False,
        "previews": True,
        "metrics_bind": None,
        "otlp_endpoint": None,
    }
    assert settings.resolved_database_url == f"sqlite:///{folder / 'var' / 'transfer.sqlite3'}"
    assert settings.blob_dir == folder / "var" / "blobs"


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        pytest.param("SECRET_KEY", SECRET, "secret_key", SecretStr(SECRET), id="secret-key"),
        pytest.param(
            "TRANSFER_PREVIOUS_SECRET_KEYS",
            f"{SECRET}, {OTHER},",
            "previous_secret_keys",
            [SecretStr(SECRET), SecretStr(OTHER)],
            id="previous-keys",
        ),
        pytest.param("TRANSFER_PREVIOUS_SECRET_KEYS", "", "previous_secret_keys", [], id="no-previous-keys"),
        pytest.param("ACCESS_TOKEN_EXPIRE_MINUTES", "5", "access_token_expire_minutes", 5, id="access-minutes"),
        pytest.param("TRANSFER_REFRESH_TOKEN_DAYS", "7", "refresh_token_days", 7, id="refresh-days"),
        pytest.param("TRANSFER_BIND", "[::1]:80", "bind", "[::1]:80", id="bind-ipv6"),
        pytest.param("TRANSFER_BIND", "unix:/run/t.sock", "bind", "unix:/run/t.sock", id="bind-socket"),
        pytest.param("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "otlp_endpoint", "http://c:4318", id="traces"),
        pytest.param("TRANSFER_METRICS_BIND", "[::1]:9464", "metrics_bind", "[::1]:9464", id="metrics"),
        pytest.param("TRANSFER_METRICS_BIND", "", "metrics_bind", None, id="no-metrics"),
        pytest.param("TRANSFER_DATA_DIR", "/srv/data", "data_dir", Path("/srv/data"), id="data-dir"),
        pytest.param(
            "TRANSFER_DATABASE_URL", "postgresql://h/d", "database_url", "postgresql+psycopg://h/d", id="postgresql"
        ),
        pytest.param("TRANSFER_DATABASE_URL", "", "database_url", None, id="empty-database"),
        pytest.param("TRANSFER_STORAGE_URL", "file:///srv/blobs", "blob_dir", Path("/srv/blobs"), id="storage"),
        pytest.param(
            "TRANSFER_STORAGE_URL",
            "s3://files.example/a/b?endpoint=http://h:9000&region=eu-1",
            "store_address",
            StoreAddress("files.example", "a/b", "http://h:9000", "eu-1"),
            id="object-store",
        ),
        pytest.param("TRANSFER_STORAGE_URL", "file:/srv/blobs", "store_address", None, id="no-object-store"),
        pytest.param("TRANSFER_REDIS_URL", "redis://h:1/0", "redis_url", "redis://h:1/0", id="redis"),
        pytest.param("TRANSFER_MAX_FILE_BYTES", "10GiB", "max_file_bytes", 10 * 1024**3, id="gibibytes"),
        pytest.param("TRANSFER_MAX_FILE_BYTES", "5 MiB", "max_file_bytes", 5 * 1024**2, id="space-before-the-unit"),
        pytest.param("TRANSFER_MAX_FILE_BYTES", "1000", "max_file_bytes", 1000, id="plain-bytes"),
        pytest.param("TRANSFER_QUOTA_BYTES", "1GB", "quota_bytes", 10**9, id="quota"),
        pytest.param("TRANSFER_QUOTA_BYTES", "", "quota_bytes", None, id="empty-quota"),
        pytest.param("TRANSFER_STALE_UPLOAD_HOURS", "0.5", "stale_upload_hours", 0.5, id="stale-hours"),
        pytest.param("TRANSFER_TRASH_DAYS", "30", "trash_days", 30, id="trash-days"),
        pytest.param("TRANSFER_ACTIVITY_DAYS", "90", "activity_days", 90, id="activity-days"),
        pytest.param("TRANSFER_DURABILITY", "ack", "durability", Durability.ACK, id="durability"),
        pytest.param("TRANSFER_READ_TIMEOUT_SECONDS", "5", "read_timeout_seconds", 5, id="read-timeout"),
        pytest.param("TRANSFER_ACCEL", "nginx", "accel", "nginx", id="accel"),
        pytest.param("TRANSFER_ACCEL", "", "accel", None, id="no-accel"),
        pytest.param("TRANSFER_TRUSTED_PROXIES", "2", "trusted_proxies", 2, id="proxies"),
        pytest.param("TRANSFER_PUBLIC_URL", "https://h.example/a/", "public_url", "https://h.example/a", id="public"),
        pytest.param("TRANSFER_PUBLIC_URL", "http://[::1]:80", "public_url", "http://[::1]:80", id="public-ipv6"),
        pytest.param("TRANSFER_PUBLIC_URL", "", "public_url", None, id="no-public-url"),
        pytest.param(
            "TRANSFER_CORS_ORIGINS",
            "https://a, HTTPS://B.c:8443,",
            "cors_origins",
            ["https://a", "https://b.c:8443"],
            id="origins",
        ),
        pytest.param(
            "TRANSFER_CORS_ORIGINS",
            "capacitor://localhost,http://[::1]:8080",
            "cors_origins",
            ["capacitor://localhost", "http://[::1]:8080"],
            id="origins-of-apps-and-addresses",
        ),
        pytest.param("TRANSFER_CORS_ORIGINS", "*", "cors_origins", ["*"], id="every-origin"),
        pytest.param("TRANSFER_SOCKET_MAX_BYTES", "1MiB", "socket_max_bytes", 1024**2, id="socket-bytes"),
        pytest.param(
            "TRANSFER_GAME_DATA_SOURCES",
            json.dumps([MIRROR]),
            "game_data_sources",
            [GameDataSource(type="raw", name="mirror", arguments=["https://h/games/"])],
            id="sources",
        ),
        pytest.param("TRANSFER_GAME_DATA_SOURCES", "", "game_data_sources", [], id="empty-sources"),
        pytest.param("TRANSFER_MAX_REMOTE_DOWNLOADS", "1000", "max_remote_downloads", 1000, id="remote-downloads"),
        pytest.param("TRANSFER_ALLOW_PRIVATE_SOURCES", "true", "allow_private_sources", True, id="private-sources"),
        pytest.param("TRANSFER_S3_REDIRECT", "true", "s3_redirect", True, id="redirect"),
        pytest.param("TRANSFER_READ_ONLY", "true", "read_only", True, id="read-only"),
    ],
)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_every_setting_can_be_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str, name: str, value: str, field: str, expected: object
) -> None:
    monkeypatch.setenv("SECRET_KEY", SECRET)  # so that none is generated in the data folder
    if place == "environment":
        monkeypatch.setenv(name, value)
    else:
        (folder / ".env").write_text(f"{name}='{value}'\n")
    assert getattr(load_settings(), field) == expected


WRONG = {
    "SECRET_KEY": "short",
    "TRANSFER_PREVIOUS_SECRET_KEYS": "short",
    "ACCESS_TOKEN_EXPIRE_MINUTES": "0",
    "TRANSFER_REFRESH_TOKEN_DAYS": "never",
    "TRANSFER_BIND": "somewhere",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://user:secret@collector:4318",
    "TRANSFER_METRICS_BIND": "9464",
    "TRANSFER_DATABASE_URL": "mysql://h/d",
    "TRANSFER_STORAGE_URL": "ftp://h/d",
    "TRANSFER_REDIS_URL": "http://h",
    "TRANSFER_MAX_FILE_BYTES": "lots",
    "TRANSFER_QUOTA_BYTES": "-",
    "TRANSFER_STALE_UPLOAD_HOURS": "0",
    "TRANSFER_QUARANTINE_DAYS": "-1",
    "TRANSFER_TRASH_DAYS": "-1",
    "TRANSFER_ACTIVITY_DAYS": "0",
    "TRANSFER_RATE_LIMITS": "600/minute;many",
    "TRANSFER_CORS_ORIGINS": "https://a, null",
    "TRANSFER_DURABILITY": "forever",
    "TRANSFER_READ_TIMEOUT_SECONDS": "0",
    "TRANSFER_ACCEL": "apache",
    "TRANSFER_TRUSTED_PROXIES": "-1",
    "TRANSFER_PUBLIC_URL": "files.example.com",
    "TRANSFER_SOCKET_MAX_BYTES": "1",
    "TRANSFER_GAME_DATA_SOURCES": "[{]",
    "TRANSFER_MAX_REMOTE_DOWNLOADS": "0",
    "TRANSFER_ALLOW_PRIVATE_SOURCES": "perhaps",
    "TRANSFER_S3_REDIRECT": "perhaps",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert mistakes(monkeypatch, **{name: WRONG[name]}) == [name]
    assert not (folder / "var").exists()


@pytest.mark.usefixtures("folder")
def test_every_mistake_in_the_address_of_an_object_store_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "s3://Bucket?endpoint=http://h&endpoint=ftp://h&region=a/b&acl=public#x"
    monkeypatch.setenv("TRANSFER_STORAGE_URL", url)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    for words in ("bucket must have", "needs a prefix", "endpoint must be", "region must be", "more than once",
                  "no other option", "fragment"):  # fmt: skip
        assert words in str(caught.value)


def test_every_mistake_is_named_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("TRANSFER_UNKNOWN_IN_FILE=1\n")
    # A value that is no JSON fails before the others are looked at, so it has a test of its own.
    several = {name: value for name, value in WRONG.items() if name != "TRANSFER_GAME_DATA_SOURCES"}
    named = mistakes(monkeypatch, **several, TRANSFER_MAX_FILE_BYTE="1", TRANSFER_SECRET_KEY=SECRET)
    assert named == sorted([*several, "TRANSFER_MAX_FILE_BYTE", "TRANSFER_SECRET_KEY", "TRANSFER_UNKNOWN_IN_FILE"])


def test_a_value_that_is_no_json_hides_no_other_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("TRANSFER_BIND", "TRANSFER_GAME_DATA_SOURCES")
    assert mistakes(monkeypatch, **{name: WRONG[name] for name in names}) == sorted(names)


@pytest.mark.parametrize(
    "value", ["127.0.0.1", ":8000", "host:", "host:65536", "host:http", "unix:", "[::1", "[nonsense]:80"]
)
def test_a_bind_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert mistakes(monkeypatch, TRANSFER_BIND=value) == ["TRANSFER_BIND"]


@pytest.mark.parametrize("value", ["unix:/run/m.sock", "127.0.0.1:0", ":9464", "h:65536", "127.0.0.1:8000"])
def test_metrics_need_a_port_of_their_own(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert mistakes(monkeypatch, TRANSFER_METRICS_BIND=value) == ["TRANSFER_METRICS_BIND"]


def test_more_than_a_thousand_remote_downloads_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mistakes(monkeypatch, TRANSFER_MAX_REMOTE_DOWNLOADS="1001") == ["TRANSFER_MAX_REMOTE_DOWNLOADS"]


def test_a_secret_never_shows_in_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "too short, and secret")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "too short" not in str(caught.value)


def test_a_previous_secret_never_shows_in_a_mistake_nor_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_PREVIOUS_SECRET_KEYS", f"{SECRET},too short")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value) == "TRANSFER_PREVIOUS_SECRET_KEYS: [1]: Value error, needs at least 32 bytes"
    monkeypatch.setenv("TRANSFER_PREVIOUS_SECRET_KEYS", f"{SECRET},{OTHER}")
    assert not {SECRET, OTHER} & set(repr(load_settings()).split("'"))


@pytest.mark.parametrize(("length", "is_taken"), [(31, False), (32, True)])
def test_a_secret_has_32_bytes(monkeypatch: pytest.MonkeyPatch, length: int, is_taken: bool) -> None:
    monkeypatch.setenv("SECRET_KEY", "x" * length)
    if is_taken:
        assert load_settings().secret_key == SecretStr("x" * length)
    else:
        assert mistakes(monkeypatch) == ["SECRET_KEY"]


def test_a_secret_is_counted_in_bytes_not_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "é" * 16)
    assert load_settings().secret_key == SecretStr("é" * 16)


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("TRANSFER_BIND=1.2.3.4:5\n")
    monkeypatch.setenv("TRANSFER_BIND", "6.7.8.9:10")
    assert load_settings().bind == "6.7.8.9:10"


def test_other_programs_names_in_the_file_are_none_of_our_business(folder: Path) -> None:
    (folder / ".env").write_text("PATH_TO_SOMETHING=1\nFLASK_DEBUG=0\n")
    assert load_settings().bind == "127.0.0.1:8000"


def test_credentials_of_the_store_may_be_in_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")  # and what is there before comes back after the test
    (folder / ".env").write_text("AWS_ACCESS_KEY_ID=of the file\nAWS_SECRET_ACCESS_KEY=of the file\nOTHER_THING=1\n")
    load_settings()
    assert os.environ["AWS_ACCESS_KEY_ID"] == "of the environment"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "of the file"
    assert "OTHER_THING" not in os.environ


@pytest.mark.parametrize("password", ["a@b", "a/b@c", "a:1@b"])
def test_a_password_that_is_not_written_as_in_a_url_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("TRANSFER_DATABASE_URL", f"postgresql://transfer:{password}@h/x")
    with pytest.raises(ConfigurationError, match="%40") as caught:
        load_settings()
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "where", ["transfer:a%2Fb%40c@h/x", "transfer:a/b:c@h/x", "h/x", "transfer@/x?host=/run/postgresql", "[::1]:5432/x"]
)
def test_every_address_of_a_database_that_is_right_is_taken(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setenv("TRANSFER_DATABASE_URL", f"postgresql://{where}")
    assert load_settings().resolved_database_url == f"postgresql+psycopg://{where}"


def test_a_generated_secret_is_kept_for_the_owner_only(folder: Path) -> None:
    first, second = load_settings().secret_key, load_settings().secret_key
    kept = folder / "var" / "secret_key"
    assert first == second == SecretStr(kept.read_text().strip())
    assert (kept.stat().st_mode & 0o777, len(kept.read_text()) >= 32) == (0o600, True)
    assert [path.name for path in (folder / "var").iterdir()] == ["secret_key"]


@pytest.mark.parametrize("content", [b"cut", b"", b"\xff" * 9, f"{SECRET}\nprevious cut".encode()])
def test_a_damaged_secret_stops_the_start(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    (folder / "var").mkdir()
    (folder / "var" / "secret_key").write_bytes(content)
    assert mistakes(monkeypatch) == ["SECRET_KEY"]
    assert (folder / "var" / "secret_key").read_bytes() == content


def test_generated_keys_that_were_rotated_go_before_previous_ones_of_the_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSFER_PREVIOUS_SECRET_KEYS", OTHER)
    first = load_settings()
    assert first.generated_key == folder / "var" / "secret_key"
    rotate_key(first.generated_key)
    second = load_settings()
    assert second.secret_key != first.secret_key
    assert second.previous_secret_keys == [first.secret_key, SecretStr(OTHER)]
    monkeypatch.setenv("SECRET_KEY", SECRET)
    third = load_settings()
    assert (third.generated_key, third.previous_secret_keys) == (None, [SecretStr(OTHER)])


def test_processes_that_start_together_agree_on_one_secret(folder: Path) -> None:
    program = "from config import load_settings; print(load_settings().secret_key.get_secret_value())"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    processes = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE) for _ in range(4)
    ]
    secrets = {process.communicate(timeout=60)[0] for process in processes}
    assert secrets == {(folder / "var" / "secret_key").read_bytes() + b"\n"}
    assert [path.name for path in (folder / "var").iterdir()] == ["secret_key"]


@pytest.mark.parametrize(
    "origin",
    [
        "null", "https://a/", "https://a/path", "https://*.example.com", "*.example.com", "*", "https://a?q", "https://a#f",
        "https://u@a", "https://u:p@a", "a", "a:443", "//a", "https:a", "https://", "://a", "https://a:", "https://a:0",
        "https://a:65536", "https://a:x", "https://[::1", "https://[1.2.3.4]", "https://[:::]", "https://(a|b)", "https://^a",
        "https://a$", "https://a b", "https://b\u00fccher.example", "https://a\\b", "1http://a",
    ],
)  # fmt: skip
def test_an_origin_that_is_not_exact_is_refused_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    monkeypatch.setenv("TRANSFER_CORS_ORIGINS", f"https://good.example,{origin}")
    with pytest.raises(ConfigurationError) as refusal:
        load_settings()
    assert str(refusal.value).startswith("TRANSFER_CORS_ORIGINS: ")
    assert f"{origin}: must be exact origins" in str(refusal.value)
    assert not (folder / "var").exists()


@pytest.mark.parametrize("value", ["600", "0/minute", "1/minute;2/minute", "-1/hour", "1/fortnight", ";", "a/minute"])
def test_a_rate_limit_that_means_nothing_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert mistakes(monkeypatch, TRANSFER_RATE_LIMITS=value) == ["TRANSFER_RATE_LIMITS"]


def test_several_rate_limits_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_RATE_LIMITS", "600/minute;20000/hour")
    assert load_settings().rate_limits == "600/minute;20000/hour"


@pytest.mark.parametrize(
    "value",
    [
        "ftp://h", "//h", "https://", "https:///base", "https://h?q", "https://h/?", "https://h#f", "https://u:p@h",
        "https://h:0", "https://h:99999", "https://h/a b", "https://h/{x}", "javascript:alert(1)", "https://[::1",
    ],
)  # fmt: skip
def test_a_public_url_is_an_address_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRANSFER_PUBLIC_URL", value)
    with pytest.raises(ConfigurationError, match="TRANSFER_PUBLIC_URL: "):
        load_settings()
    assert not (folder / "var").exists()


def test_on_many_machines_a_key_must_be_set(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    remote = {"TRANSFER_STORAGE_URL": "s3://bucket/prefix", "TRANSFER_DATABASE_URL": "postgresql://u@h/d"}
    assert mistakes(monkeypatch, **remote) == ["SECRET_KEY"]
    assert not (folder / "var" / "secret_key").exists()
    monkeypatch.setenv("SECRET_KEY", SECRET)
    assert load_settings().is_on_many_machines


@pytest.mark.parametrize("name", ["TRANSFER_STORAGE_URL", "TRANSFER_DATABASE_URL"])
def test_on_one_machine_a_key_is_made(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
    monkeypatch.setenv(
        name, {"TRANSFER_STORAGE_URL": "s3://b12/p", "TRANSFER_DATABASE_URL": "postgresql://u@h/d"}[name]
    )
    load_settings()
    assert (folder / "var" / "secret_key").exists()


OIDC = {
    "TRANSFER_OIDC_ISSUER": "https://login.example.com/realms/a",
    "TRANSFER_OIDC_CLIENT_ID": "transfer",
    "TRANSFER_OIDC_CLIENT_SECRET": "a secret of the client",
}


@pytest.mark.parametrize("missing", OIDC)
def test_sign_in_by_openid_connect_needs_all_that_it_needs(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    assert mistakes(monkeypatch, **{**OIDC, missing: ""}) == [missing]
    monkeypatch.setenv(missing, OIDC[missing])
    settings = load_settings()
    assert (settings.oidc_issuer, settings.oidc_client_id) == (OIDC["TRANSFER_OIDC_ISSUER"], "transfer")
    assert "a secret of the client" not in repr(settings)


def test_groups_without_a_provider_are_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mistakes(monkeypatch, TRANSFER_OIDC_GROUPS='{"heads": ["admin"]}') == sorted(OIDC)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("TRANSFER_OIDC_ISSUER", "login.example.com", id="no-scheme"),
        pytest.param("TRANSFER_OIDC_ISSUER", "https://user:password@login.example.com", id="with-a-password"),
        pytest.param("TRANSFER_OIDC_ISSUER", "https://login.example.com/?a=b", id="with-a-query"),
        pytest.param("TRANSFER_OIDC_ISSUER", f"https://login.example.com/{'a' * 255}", id="too-long"),
        pytest.param("TRANSFER_OIDC_GROUPS", "[]", id="list-of-groups"),
        pytest.param("TRANSFER_OIDC_GROUPS", '{"heads": "admin"}', id="no-list"),
        pytest.param("TRANSFER_OIDC_GROUPS", '{"heads": ["Admin!"]}', id="no-permission"),
        pytest.param("TRANSFER_OIDC_GROUPS", "{", id="no-json"),
    ],
)
def test_a_wrong_value_of_openid_connect_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert mistakes(monkeypatch, **{**OIDC, name: value}) == [name]


def test_groups_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**OIDC, "TRANSFER_OIDC_GROUPS": '{"heads": ["admin", "games.download"]}'}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().oidc_groups == {"heads": ["admin", "games.download"]}
