"""An upload link in the place of an account: the doors of resumable uploads are the same at both addresses."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from werkzeug.test import TestResponse

from tests.conftest import Device
from tests.web.uploads.bench import ROOT


@dataclass
class GuestDevice(Device):
    """An account whose uploads go by a link of its own, without its token. `path` is that of the link's uploads."""

    path: str = ""

    def request(self, method: str, path: str, **arguments: Any) -> TestResponse:
        if path.startswith(ROOT):
            path = self.path + path.removeprefix(ROOT)
        if not path.startswith(self.path):
            return super().request(method, path, **arguments)
        return self.client.open(path, method=method, **{"buffered": True, **arguments})


def by_link(device: Device, **fields: Any) -> GuestDevice:
    """Whoever has a new upload link of an account."""
    response = device.post("/api/links", json={"upload": True, **fields})
    assert response.status_code == 201, response.text
    return GuestDevice(device.client, device.headers, f"{urlsplit(response.get_json()['url']).path}/uploads")
