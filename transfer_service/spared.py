"""Packages that may be installed and are not needed: libraries that try to import them can do without."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared(*packages: str) -> Iterator[None]:
    """What is imported within finds `packages` not installed, unless they are loaded already."""
    absent = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type] # None there is how Python says so
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
