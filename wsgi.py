"""The WSGI application, for gunicorn and for `flask --app wsgi`: see `transfer_service/wsgi.py`."""

from transfer_service.wsgi import app

__all__ = ["app"]
