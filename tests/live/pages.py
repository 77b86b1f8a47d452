"""A web server of somebody else: pages of another origin than the service's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Pages(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the folder, and give the origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, directory=str(folder))) as pages:
        thread = threading.Thread(target=pages.serve_forever, name="pages")
        thread.start()
        try:
            yield f"http://localhost:{pages.server_port}"
        finally:
            pages.shutdown()
            thread.join()
