"""One request, at least, for every operation of openapi.yaml, as clients send them to a service of `scale_data`."""

from typing import Any

from benchmarks import scale_admin, scale_bundles, scale_chat, scale_links, scale_webhooks
from benchmarks.scale_cases import BYTES, CASES, Case, Steps, again, case, deep_page, path_of, plain
from benchmarks.scale_client import Ask, Request, as_json
from benchmarks.scale_data import ARCHIVE_GAME, BUSY_GAME, FRIEND, MEMBER, PAGE, Size, uuid_of
from benchmarks.scale_files import listing_cases
from benchmarks.servers import ACCOUNT, PASSWORD

__all__ = ["Case", "all_cases", "scale_admin", "scale_bundles", "scale_chat", "scale_links", "scale_webhooks"]


CREDENTIALS = {"username": ACCOUNT, "password": PASSWORD}
plain("signInDevice", "POST", "/auth/token", **as_json(CREDENTIALS))
plain("signInPerson", "POST", "/token", **as_json(CREDENTIALS))
plain("signInBrowser", "POST", "/auth/login", **as_json(CREDENTIALS))
plain("showOwnAccount", "GET", "/auth/me")
# Without a provider: what one has to say takes most of the time, and does not depend on what is stored.
plain("beginOpenIdSignIn", "GET", "/auth/oidc/login", expected=404)
plain("finishOpenIdSignIn", "GET", "/auth/oidc/callback", expected=404)


def signed_in(ask: Ask, name: str = ACCOUNT, password: str = PASSWORD) -> dict[str, str]:
    """The tokens of a new sign-in."""
    tokens: dict[str, str] = ask(
        Request("POST", "/auth/token", **as_json({"username": name, "password": password}))
    ).json()
    return tokens


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {token}"}


@case("changePassword")
def _change_password(ask: Ask, _size: Size) -> Steps:
    token, passwords = signed_in(ask, FRIEND)["access_token"], [PASSWORD, f"{PASSWORD} 2"]
    while True:
        body = as_json({"current_password": passwords[0], "new_password": passwords[1]})
        yield Request("POST", "/auth/password", expected=204, **body).with_headers(bearer(token))
        passwords.reverse()


@case("refresh")
def _refresh(ask: Ask, _size: Size) -> Steps:
    token = signed_in(ask)["refresh_token"]
    while True:
        token = (yield Request("POST", "/auth/refresh", headers=bearer(token))).json()["refresh_token"]


@case("signOut")
def _sign_out(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("POST", "/auth/logout", expected=204, headers=bearer(signed_in(ask)["access_token"]))


plain("listKeys", "GET", "/auth/keys?limit=50")
case("listKeys", "cursor")(deep_page("/auth/keys"))
KEY = as_json({"name": "gate camera", "scopes": ["upload", "files"]})


@case("createKey")
def _create_key(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("POST", "/auth/keys", expected=201, **KEY)


@case("revokeKey")
def _revoke_key(ask: Ask, _size: Size) -> Steps:
    while True:
        key = ask(Request("POST", "/auth/keys", expected=201, **KEY)).json()
        yield Request("DELETE", f"/auth/keys/{key['id']}", expected=204)


@case("showOwnAccount", "with a key")
def _show_with_key(ask: Ask, _size: Size) -> Steps:
    key = ask(Request("POST", "/auth/keys", expected=201, **KEY)).json()["key"]
    while True:
        yield Request("GET", "/auth/me", headers=bearer(key))


@case("emptyTrash", "with one file in it")
def _empty_trash(ask: Ask, _size: Size) -> Steps:
    headers = bearer(signed_in(ask, FRIEND)["access_token"])
    while True:
        ask(Request("PUT", "/api/files/gone.bin", BYTES, expected=201).with_headers(headers))
        ask(Request("DELETE", "/api/files/gone.bin").with_headers(headers))
        yield Request("DELETE", "/api/trash", expected=204, headers=headers)


plain("listDownloads", "GET", "/api/downloads?limit=50")
case("listDownloads", "cursor")(deep_page("/api/downloads"))
plain("listActivities", "GET", "/api/activities?limit=50")
plain("readMember", "GET", path_of("game-zip", str(uuid_of(ARCHIVE_GAME)), *MEMBER.split("/")))
plain("readHttpPage", "GET", f"/game-zip/http://{PAGE}")
plain("readHttpsPage", "GET", f"/game-zip/https://{PAGE}")
DOWNLOAD, START = f"/api/downloads/{uuid_of(BUSY_GAME)}/download", as_json({"gameDataId": BUSY_GAME})


@case("listActivities", "page far behind")
def _list_activities(_ask: Ask, size: Size) -> Steps:
    while True:
        yield Request("GET", f"/api/activities?limit=50&page={size.others // 50 * 3 // 4}")


COUNTED = "the total counts every row that matches, along an index"
plain("listActivities", "GET", "/api/activities?limit=50&from=2020-01-01&to=2100-01-01", "of a time")
for query in (f"username={ACCOUNT}", "action=download.started", "resource=games"):
    case("listActivities", query, reads_all=COUNTED)(again(Request("GET", f"/api/activities?limit=50&{query}")))
case("listActivities", "username= and action=", reads_all=COUNTED)(
    again(Request("GET", f"/api/activities?limit=50&username={ACCOUNT}&action=download.started"))
)
plain("listActivities", "GET", "/api/activities?username=nobody", "as a table", headers={"Accept": "text/csv"})
plain("listGames", "GET", "/api/games?limit=50")
plain("listGames", "GET", "/api/games?limit=50&sortBy=dateAdded&sortOrder=desc", "the latest")
plain("listGames", "GET", "/api/games?limit=50&sortBy=releaseDate", "by release")
case("listGames", "search=", reads_all="a part of a name is looked for in all of them")(
    again(Request("GET", "/api/games?limit=50&search=game+399"))
)
plain("showGame", "GET", f"/api/games/{uuid_of(ARCHIVE_GAME)}")
plain("launchGame", "GET", f"/api/games/{uuid_of(ARCHIVE_GAME)}/launch")


@case("listGames", "page far behind")
def _list_games(_ask: Ask, size: Size) -> Steps:
    while True:
        yield Request("GET", f"/api/games?limit=50&page={max(1, size.games // 50 * 3 // 4)}")


@case("removeArchive", "that is not there")
def _remove_archive(_ask: Ask, _size: Size) -> Steps:
    path = f"/api/downloads/{uuid_of(BUSY_GAME)}/archive/{2 * BUSY_GAME}"
    while True:
        yield Request("DELETE", path, expected=404)


@case("startDownload")
def _start_download(ask: Ask, _size: Size) -> Steps:
    while True:
        ask(Request("DELETE", DOWNLOAD, expected=None))
        yield Request("POST", DOWNLOAD, expected=202, **START)


@case("cancelDownload")
def _cancel_download(ask: Ask, _size: Size) -> Steps:
    while True:
        ask(Request("POST", DOWNLOAD, expected=None, **START))
        yield Request("DELETE", DOWNLOAD)


@case("watchDownload", "of one that has ended")
def _watch_download(ask: Ask, _size: Size) -> Steps:
    ask(Request("DELETE", DOWNLOAD, expected=None))
    while True:
        yield Request("GET", f"{DOWNLOAD}/progress")


EVERYTHING = "it compares every stored file with its row"
case("cleanUp", reads_all=EVERYTHING)(again(Request("POST", "/cleanup")))
plain("isAlive", "GET", "/healthz")
plain("isReady", "GET", "/readyz")
plain("getHome", "GET", "/")
plain("getAsset", "GET", "/assets/1/console/css/base.css")
plain("getConsole", "GET", "/console/files")
plain("getConsoleStart", "GET", "/console/")
plain("getDescription", "GET", "/openapi.yaml")
plain("getDocumentation", "GET", "/docs")
plain("getDocumentationAsset", "GET", "/docs/assets/swagger-ui.css")
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


def all_cases(description: dict[str, Any]) -> list[Case]:
    """Every case. Raises RuntimeError, which names them, for operations and parameters of queries without any."""
    cases = [*listing_cases(description), *CASES]
    wanted = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, item in description["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }
    measured = {each.operation for each in cases}
    missing = [route for operation, route in wanted.items() if operation not in measured]
    unknown = sorted(measured - set(wanted))
    if missing or unknown:
        raise RuntimeError(f"Not measured: {', '.join(missing) or 'none'}; not in openapi.yaml: {unknown}")
    return cases
