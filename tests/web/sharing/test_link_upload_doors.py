"""The doors of resumable uploads at a link: asked there what they are asked at `/api/uploads`, they answer the same."""

from types import ModuleType

import pytest

from tests.conftest import Device
from tests.web.uploads import test_rufh_digests, test_tus_checksum, test_tus_concatenation
from tests.web.uploads.bench import Draft, Tus
from tests.web.uploads.by_link import by_link


@pytest.fixture(scope="module")
def tus(shared_device: Device) -> Tus:
    return Tus(by_link(shared_device))


@pytest.fixture
def draft(shared_device: Device) -> Draft:
    return Draft(by_link(shared_device))


def _take_over(module: ModuleType) -> None:
    """Collect the tests of another module here, where the clients are guests: there are no others' parts for them."""
    for name, value in vars(module).items():
        if name.startswith("test_") and callable(value) and "another_account" not in name:
            globals()[f"{name}_by_a_link"] = value


for each in (test_rufh_digests, test_tus_checksum, test_tus_concatenation):
    _take_over(each)
