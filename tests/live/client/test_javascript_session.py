"""Sign-in by the JavaScript client: one renewal for all who need it, and an end only where the service says so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.client.javascript import install, run
from tests.live.server import LiveServer, running

STORAGE = """
const kept = new Map();
const storage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => void kept.set(key, value),
  removeItem: (key) => void kept.delete(key),
};
"""
SIGNED_IN = """
const asked = [];
const plan = [...given.plan ?? []];
const watching = async (url, options) => {
  const { pathname } = new URL(url);
  asked.push(pathname);
  const fault = pathname === "/auth/refresh" ? plan.shift() : null;
  if (typeof fault === "number") return new Response("{}", { status: fault, headers: { "Retry-After": "0" } });
  const answer = await fetch(url, options);
  if (fault === "lost") throw new TypeError("fetch failed");
  return answer;
};
const refreshes = () => asked.filter((each) => each === "/auth/refresh").length;
const signedIn = await new TransferClient(given.url).signIn("alice", given.password);
const ended = { ...signedIn, accessToken: "eyJ.ended.token" };
"""
MANY = (
    "await Promise.all(Array.from({ length: 20 }, () => client.account().then(({ name }) => name, ({ name }) => name)))"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    install(folder)
    return folder


def told(folder: Path, server: LiveServer, code: str, **given: Any) -> Any:
    return run(folder, STORAGE + SIGNED_IN + code, url=server.url, **given)


@pytest.mark.parametrize(("plan", "refreshes"), [
    pytest.param([], 1, id="at-once"),
    pytest.param(["lost"], 2, id="after-a-lost-answer"),
    pytest.param([503, 429], 3, id="after-the-service-was-away"),
    pytest.param(["lost", "lost"], 3, id="after-two-lost-answers"),
])  # fmt: skip
def test_requests_that_are_refused_together_get_one_new_token(
    folder: Path, server: LiveServer, plan: list[Any], refreshes: int
) -> None:
    result = told(folder, server, f"""
const heard = [];
const client = new TransferClient(given.url, {{
  tokens: ended, fetch: watching, onTokens: (tokens) => heard.push(tokens), onSignOut: () => heard.push("out"),
}});
const names = {MANY};
print("done", {{ names, refreshes: refreshes(), heard, isNew: heard[0]?.accessToken !== signedIn.accessToken }});
""", plan=plan)  # fmt: skip
    assert result["names"] == ["alice"] * 20
    assert (result["refreshes"], len(result["heard"]), result["isNew"]) == (refreshes, 1, True)


def test_a_service_that_is_away_ends_no_sign_in(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, """
const heard = [];
const options = { fetch: watching, onSignOut: () => heard.push("out"), patienceSeconds: 1 };
const client = new TransferClient(given.url, { ...options, tokens: ended });
const error = await failure(client.account());
plan.length = 0;
print("done", { error, heard, name: (await client.account()).name });
""", plan=[503] * 50)  # fmt: skip
    assert result["error"][0] == "Unavailable"
    assert (result["heard"], result["name"]) == ([], "alice")


def test_a_sign_in_that_has_ended_is_told_once(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, f"""
const heard = [];
const tokens = {{ ...ended, refreshToken: "eyJ.ended.token" }};
const options = {{ tokens, storage, fetch: watching, onSignOut: () => heard.push("out") }};
const client = new TransferClient(given.url, options);
const names = {MANY};
const count = asked.length;
const later = await failure(client.account());
await client.signIn("alice", given.password);
print("done", {{ names, heard, refreshes: refreshes(), later, more: asked.length - count, again: {MANY} }});
""")  # fmt: skip
    assert (result["names"], result["again"]) == (["SignInNeeded"] * 20, ["alice"] * 20)
    assert (result["heard"], result["refreshes"]) == (["out"], 1)
    assert result["later"][0] == "SignInNeeded"


def test_clients_that_share_a_storage_spend_a_refresh_token_once(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, f"""
const first = new TransferClient(given.url, {{ storage, fetch: watching }});
await first.signIn("alice", given.password);
const [key] = kept.keys();
const stored = JSON.parse(kept.get(key));
kept.set(key, JSON.stringify({{ ...stored, accessToken: "eyJ.ended.token" }}));
const clients = Array.from({{ length: 3 }}, () => new TransferClient(given.url, {{ storage, fetch: watching }}));
const names = await Promise.all(clients.map(async (client) => {MANY}));
const tokens = new Set(await Promise.all(clients.map((client) => client.token())));
print("done", {{ names: names.flat(), refreshes: refreshes(), tokens: tokens.size }});
""")  # fmt: skip
    assert result["names"] == ["alice"] * 60
    assert (result["refreshes"], result["tokens"]) == (1, 1)


def test_a_client_does_not_take_the_tokens_of_who_signed_in_elsewhere(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, """
const options = { storage, fetch: watching };
const first = new TransferClient(given.url, { ...options, tokens: { ...ended, account: "alice" } });
const second = new TransferClient(given.url, options);
await second.signIn("bob", given.password);
const name = (await first.account()).name;
print("done", { name, stored: JSON.parse([...kept.values()][0]).account });
""")  # fmt: skip
    assert result == {"name": "alice", "stored": "bob"}


def test_a_sign_out_ends_the_tokens_here_and_at_the_service(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, """
const heard = [];
const client = new TransferClient(given.url, { storage, onSignOut: () => heard.push("out") });
const tokens = await client.signIn("alice", given.password);
await client.signOut();
const old = await failure(new TransferClient(given.url, { tokens }).account());
print("done", { kept: kept.size, heard, errors: [await failure(client.account()), old].map(([name]) => name) });
""")  # fmt: skip
    assert result == {"kept": 0, "heard": [], "errors": ["SignInNeeded", "SignInNeeded"]}


def test_a_service_that_says_when_to_come_again_is_heeded(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, """
const at = [];
const busy = async (url, options) => {
  at.push(Date.now());
  if (at.length === 1) return new Response("{}", { status: 503, headers: { "Retry-After": "1" } });
  return fetch(url, options);
};
const client = new TransferClient(given.url, { tokens: signedIn, fetch: busy });
await client.account();
print("done", [at.length, at[1] - at[0] >= 1000]);
""")  # fmt: skip
    assert result == [2, True]


def test_a_storage_that_keeps_nothing_stops_nothing(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, """
const full = () => { throw new Error("QuotaExceededError"); };
const broken = { getItem: full, setItem: async () => full(), removeItem: full };
const client = new TransferClient(given.url, { storage: broken });
await client.signIn("alice", given.password);
const file = await client.upload(new Uint8Array(1e6), { name: "kept nowhere.bin" }).done;
await client.signOut();
print("done", file.bytes_received);
""")  # fmt: skip
    assert result == 1_000_000


def test_processes_may_share_a_folder_of_what_is_kept(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, """
const { fileStorage } = await import("transfer-service-client/node");
const { stat, readdir } = await import("node:fs/promises");
const both = [fileStorage("shared"), fileStorage("shared")];
const keys = Array.from({ length: 40 }, (_, number) => `key ${number}`);
await Promise.all(keys.map((key, number) => both[number % 2].setItem(key, key)));
await both[0].removeItem("key 0");
const read = await Promise.all(keys.map((key) => both[1].getItem(key)));
const modes = await Promise.all(["shared", ...(await readdir("shared")).map((name) => `shared/${name}`)].map(stat));
print("done", { read, modes: [...new Set(modes.map(({ mode }) => (mode & 0o777).toString(8)))] });
""")  # fmt: skip
    assert result["read"] == [None, *(f"key {number}" for number in range(1, 40))]
    assert result["modes"] == ["700", "600"]


def test_who_has_tried_too_often_is_told_so(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, """
const refusal = { status: 429, headers: { "Retry-After": "600" } };
const busy = async () => new Response(JSON.stringify({ detail: "Later" }), refusal);
const client = new TransferClient(given.url, { fetch: busy });
print("done", await client.signIn("alice", "wrong").catch(({ status, code, message }) => [status, code, message]));
""")  # fmt: skip
    assert result == [429, "too_many", "Later"]


def test_what_may_not_be_done_twice_is_not_asked_again_when_its_answer_breaks_off(
    folder: Path, server: LiveServer
) -> None:
    result = told(folder, server, """
const client = new TransferClient(given.url, { tokens: signedIn, fetch: async (url, options) => {
  const answer = await fetch(url, options);
  if (url.endsWith("/api/links")) answer.json = () => Promise.reject(new TypeError("terminated"));
  return answer;
} });
const file = await client.upload(new Uint8Array(3), { name: "shared.bin" }).done;
const error = await failure(client.share({ files: [file] }));
const { links } = await (await fetch(`${given.url}/api/links`, {
  headers: { Authorization: `Bearer ${signedIn.accessToken}` },
})).json();
print("done", [error[0], links.length]);
""")  # fmt: skip
    assert result == ["Unavailable", 1]


def test_a_clock_that_was_put_back_does_not_bring_a_spent_token_back(folder: Path, server: LiveServer) -> None:
    result = told(folder, server, """
const spent = [];
const noting = (url, options) => {
  if (url.endsWith("/auth/refresh")) spent.push(options.headers.Authorization);
  return fetch(url, options);
};
await new TransferClient(given.url, { storage }).signIn("alice", given.password);
const client = new TransferClient(given.url, { storage, fetch: noting });
await client.account();
const [key] = kept.keys();
const older = JSON.parse(kept.get(key));
const headers = { Authorization: `Bearer ${older.refreshToken}` };
const renewed = await (await fetch(`${given.url}/auth/refresh`, { method: "POST", headers })).json();
const newer = { accessToken: renewed.access_token, refreshToken: renewed.refresh_token };
kept.set(key, JSON.stringify({ ...older, ...newer, expiresAt: older.expiresAt - 60_000 })); // by another tab, later
const { now } = Date;
Date.now = () => now() + 29.7 * 60_000;
await client.token();
print("done", [spent, `Bearer ${newer.refreshToken}`]);
""")  # fmt: skip
    assert result[0] == [result[1]]


def test_a_wrong_password_is_no_reason_to_try_again(folder: Path, server: LiveServer) -> None:
    code = """
const client = new TransferClient(given.url, { fetch: watching });
print("done", [await failure(client.signIn("alice", "wrong")), asked.length]);
"""
    assert told(folder, server, code) == [["SignInNeeded", "Incorrect username or password"], 1]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[LiveServer]:
    """A service that calls itself by an address at which nobody is."""
    with running(tmp_path / "data", "alice", TRANSFER_PUBLIC_URL="http://127.0.0.1:1") as server:
        yield server


def test_tokens_go_to_no_other_address_than_that_of_the_client(folder: Path, elsewhere: LiveServer) -> None:
    result = told(folder, elsewhere, """
const client = new TransferClient(given.url, { tokens: signedIn });
print("done", (await client.upload(new Uint8Array(1e6), { name: "a.bin" }).done).bytes_received);
""")  # fmt: skip
    assert result == 1_000_000
