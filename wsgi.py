"""The WSGI application, for gunicorn and for `flask --app wsgi`."""

import sys

from config import ConfigurationError, load_settings
from transfer_service import create_app

try:
    app = create_app(load_settings())
except ConfigurationError as error:
    sys.exit(f"Wrong settings:\n{error}")
