"""Requests about bundles, and by their signed addresses."""

from urllib.parse import urlsplit

from benchmarks.scale_cases import Steps, case
from benchmarks.scale_client import Ask, Request, as_json
from benchmarks.scale_data import FRIEND, Size
from benchmarks.scale_files import stored
from benchmarks.servers import PASSWORD


def bundling(ask: Ask) -> Request:
    """The request for an archive of a new file."""
    return Request("POST", "/api/bundles", expected=201, **as_json({"file_ids": [stored(ask)[1]]}))


@case("makeBundle")
def _make_bundle(ask: Ask, _size: Size) -> Steps:
    request = bundling(ask)
    while True:
        yield request


for _operation, _method in (("downloadBundle", "GET"), ("probeBundle", "HEAD")):

    @case(_operation)
    def _download_bundle(ask: Ask, _size: Size, method: str = _method) -> Steps:
        address = urlsplit(ask(bundling(ask)).json()["url"])
        while True:
            yield Request(method, f"{address.path}?{address.query}")


for _operation, _method in (("exportAccount", "GET"), ("probeExport", "HEAD")):

    @case(_operation)
    def _export_account(ask: Ask, _size: Size, method: str = _method) -> Steps:
        token = ask(Request("POST", "/auth/token", **as_json({"username": FRIEND, "password": PASSWORD}))).json()
        while True:
            yield Request(method, "/api/account/export", headers={"Authorization": f"Bearer {token['access_token']}"})
