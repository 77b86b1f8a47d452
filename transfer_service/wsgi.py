"""The WSGI application, for gunicorn and for `flask --app wsgi`."""

import sys

from transfer_service.app import create_app
from transfer_service.config import ConfigurationError, load_settings

try:
    settings = load_settings()
except ConfigurationError as error:
    sys.exit(f"Wrong settings:\n{error}")
app = create_app(settings)
