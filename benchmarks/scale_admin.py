"""Requests of administrators about all accounts. The benchmark's own account is one."""

from urllib.parse import urlsplit

from benchmarks.scale_cases import Steps, again, case, deep_page, plain
from benchmarks.scale_client import Ask, Request
from benchmarks.scale_data import Size
from benchmarks.scale_files import beginning

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
