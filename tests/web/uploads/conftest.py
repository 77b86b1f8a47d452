"""A client of each open protocol, the draft's in every version of it."""

import pytest

from tests.conftest import Device
from tests.web.uploads.bench import VERSIONS, Draft, Tus


@pytest.fixture(scope="module")
def tus(shared_device: Device) -> Tus:
    return Tus(shared_device)


@pytest.fixture(params=VERSIONS)
def draft(shared_device: Device, request: pytest.FixtureRequest) -> Draft:
    return Draft(shared_device, request.param)
