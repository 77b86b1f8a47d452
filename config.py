"""Settings of the service: see `transfer_service/config.py`, where a wheel has them too."""

from transfer_service.config import *  # noqa: F403 - all of it, under the name that it has always had
