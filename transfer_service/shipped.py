"""What is read by name and is no module: beside the package in a clone, in it where a wheel was installed."""

from pathlib import Path

PACKAGE = Path(__file__).parent
IS_WHEEL = (PACKAGE / "openapi.yaml").exists()
COMMAND = "transfer-service" if IS_WHEEL else "flask --app wsgi"
"""How commands are called here, for messages that name one."""


def shipped(name: str) -> Path:
    """Where `openapi.yaml`, `gunicorn.conf.py` or the folder `migrations` is."""
    return (PACKAGE if IS_WHEEL else PACKAGE.parent) / name
