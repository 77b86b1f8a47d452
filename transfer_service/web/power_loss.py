"""Nothing is answered before it is sorted out what a power loss may have taken."""

import structlog
from flask import Flask, request

from transfer_service.errors import StorageFull
from transfer_service.web.services import EXTENSION, Services

FREE_BLUEPRINTS = frozenset({"health", "home"})


def recover(app: Flask) -> None:
    """Sort it out, if that is not done yet. Raises StoreUnavailable, StorageFull."""
    services: Services = app.extensions[EXTENSION]
    recovered = services.recovery.ensure()
    if recovered.restarted or recovered.doubted:
        structlog.get_logger().warning(
            "power_loss", restarted_uploads=recovered.restarted, doubted_files=recovered.doubted
        )


def init_power_loss(app: Flask) -> None:
    """Let every request wait for `recover`, where it did not succeed at the start."""

    def ensure() -> None:
        if request.blueprint in FREE_BLUEPRINTS:
            return
        try:
            recover(app)
        except StorageFull:
            if request.method != "DELETE":  # that is what makes room
                raise

    app.before_request(ensure)
