"""Requests of administrators about all accounts. The benchmark's own account is one."""

from itertools import count
from urllib.parse import quote, urlsplit

from benchmarks.scale_cases import Steps, again, case, deep_page, new_name, plain
from benchmarks.scale_client import Ask, Request, as_json
from benchmarks.scale_data import FRIEND, Size
from benchmarks.scale_files import beginning
from benchmarks.servers import ACCOUNT, PASSWORD

SORTED, SEARCHED = "the bytes of all accounts are sorted", "a part of a name is looked for in all of them"
COUNTED = "the files of each account on the page are counted, in indexes alone"
for sort in ("name", "last_sign_in"):
    case("listAccounts", f"sort={sort}", reads_all=COUNTED)(
        again(Request("GET", f"/api/admin/accounts?limit=50&sort={sort}"))
    )
case("listAccounts", "sort=used_bytes", reads_all=SORTED)(
    again(Request("GET", "/api/admin/accounts?limit=50&sort=used_bytes"))
)
case("listAccounts", "search=", reads_all=SEARCHED)(again(Request("GET", "/api/admin/accounts?limit=50&search=unt+3")))
case("listAccounts", "cursor")(deep_page("/api/admin/accounts"))
case("findAccounts", "search=", reads_all=SEARCHED)(again(Request("GET", "/accounts?search=unt+3")))
plain("listSessions", "GET", "/auth/sessions?limit=50")
case("listSessions", "cursor")(deep_page("/auth/sessions"))


@case("createAccount")
def _create_account(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("POST", "/api/admin/accounts", expected=201, **as_json({"name": new_name()}))


@case("changeAccount")
def _change_account(_ask: Ask, _size: Size) -> Steps:
    for number in count():
        yield Request("PATCH", f"/api/admin/accounts/{quote(FRIEND)}", **as_json({"quota_bytes": 2**40 + number}))


@case("endSession")
def _end_session(ask: Ask, _size: Size) -> Steps:
    while True:
        ask(Request("POST", "/auth/token", **as_json({"username": ACCOUNT, "password": PASSWORD})))
        made = ask(Request("GET", "/auth/sessions?limit=1")).json()["sessions"][0]
        yield Request("DELETE", f"/auth/sessions/{made['id']}", expected=204)


case("showUsage", reads_all="the files are counted, in indexes alone")(
    again(Request("GET", "/api/admin/usage?limit=50"))
)
plain("listTransfers", "GET", "/api/admin/transfers?limit=50")
case("listTransfers", "cursor")(deep_page("/api/admin/transfers"))


@case("cancelTransfer")
def _cancel_transfer(ask: Ask, _size: Size) -> Steps:
    while True:
        begun = urlsplit(ask(beginning(1000)).headers["location"]).path.rpartition("/")[2]
        yield Request("DELETE", f"/api/admin/transfers/{begun}", expected=204)


@case("deleteAccount", "that is not there")
def _delete_account(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", "/api/admin/accounts/nobody", expected=404)
