"""What every test of these doors starts with."""

import pytest

from tests.remote_jobs import Jobs
from transfer_service.bootstrap import Services


@pytest.fixture
def jobs(services: Services) -> Jobs:
    return Jobs(services.database)
