"""What is read by name and is no module: beside the package in a clone, in it where a wheel was installed."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Where `openapi.yaml`, `gunicorn.conf.py` or the folder `migrations` is."""
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
