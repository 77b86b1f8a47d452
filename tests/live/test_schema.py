"""The running service against its description: generated requests, and answers that must be the described ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import schemathesis

from tests.conftest import PASSWORD
from tests.live.download_worker import working
from tests.live.server import REPOSITORY, LiveServer
from tests.proofs import length

pytestmark = pytest.mark.long

CHECKS = "no_fault_of_the_server,status_code_conformance,content_type_conformance,response_schema_conformance"
SEED = 20261121
EXAMPLES = length(6, whole=15)
"""Random ones of each operation, besides its examples and what stands at or beyond a bound."""
TIMEOUT_SECONDS = 900
SIGN_IN = "^/(auth/(token|login|oidc/.*)|token)$"
SESSION = "^/(auth/.*|token)$"


@pytest.fixture(scope="module")
def tokens(server: LiveServer) -> dict[str, dict[str, str]]:
    """A pair for every account, taken before generated sign-ins can be throttled."""
    pairs = {}
    for name in ("alice", "bob", "root"):
        credentials = {"username": name, "password": PASSWORD}
        pairs[name] = requests.post(f"{server.url}/auth/token", json=credentials, timeout=30).json()
    return pairs


def explore(server: LiveServer, folder: Path, *filters: str, token: str | None, examples: int) -> str:
    """Run schemathesis against the server and give its report; any finding fails the test."""
    # The client under it takes a 104 for the answer; one that comes by a proxy gets none.
    credentials = ["--header", "Via:1.1 test", *(["--header", f"Authorization:Bearer {token}"] if token else [])]
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", str(REPOSITORY / "openapi.yaml"),
        "--url", server.url, "--checks", CHECKS, "--seed", str(SEED), "--max-examples", str(examples),
        "--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--no-shrink", "--no-color",
        "--suppress-health-check", "all", "--request-timeout", "20", "--warnings", "off", *credentials, *filters,
    ]  # fmt: skip
    hooks = {"SCHEMATHESIS_HOOKS": "tests.live.schema_hooks", "PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, **hooks}, capture_output=True, text=True, timeout=TIMEOUT_SECONDS,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_every_operation_answers_as_described(
    server: LiveServer, tokens: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    token = tokens["root"]["access_token"]
    with working(server.data_dir):  # who makes previews of what is stored
        report = explore(server, tmp_path, "--exclude-path-regex", SESSION, token=token, examples=EXAMPLES)
    assert "No issues found" in report
    assert requests.get(f"{server.url}/readyz", timeout=30).status_code == 200


def test_renewing_a_sign_in_answers_as_described(
    server: LiveServer, tokens: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    token = tokens["alice"]["refresh_token"]
    assert "No issues found" in explore(server, tmp_path, "--include-path", "/auth/refresh", token=token, examples=5)


def test_ending_a_sign_in_answers_as_described(
    server: LiveServer, tokens: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    token = tokens["bob"]["refresh_token"]
    assert "No issues found" in explore(server, tmp_path, "--include-path", "/auth/logout", token=token, examples=5)
    header = {"Authorization": f"Bearer {tokens['bob']['access_token']}"}
    assert requests.get(f"{server.url}/api/files", headers=header, timeout=30).status_code == 401


@pytest.mark.parametrize("path", ["/auth/token", "/token", "/auth/login"])
@pytest.mark.parametrize(("password", "status"), [(PASSWORD, 200), ("wrong", 401)], ids=["right", "wrong"])
def test_a_password_is_answered_as_described(server: LiveServer, path: str, password: str, status: int) -> None:
    described = schemathesis.openapi.from_path(REPOSITORY / "openapi.yaml")[path]["POST"]
    answer = requests.post(f"{server.url}{path}", data={"username": "alice", "password": password}, timeout=30)
    assert answer.status_code == status
    described.validate_response(answer)


def test_signing_in_answers_as_described_throttled_or_not(server: LiveServer, tmp_path: Path) -> None:
    """Generated names and passwords are wrong, so after fifty of them the address is throttled: 429, as described."""
    report = explore(server, tmp_path, "--include-path-regex", SIGN_IN, token=None, examples=8)
    assert "No issues found" in report
    wrong = {"username": "nobody", "password": "wrong"}
    for _ in range(60):
        answer = requests.post(f"{server.url}/token", json=wrong, timeout=30)
        if answer.status_code == 429:
            break
    assert (answer.status_code, answer.json()) == (429, {"detail": "Too many failed sign-ins, try again later"})
    assert int(answer.headers["Retry-After"]) >= 1
