"""Chat over HTTP and Socket.IO."""

from transfer_service.spared import spared

# What its clients and other queues need. `rooms.py` gives it Redis where that is configured.
with spared("aiohttp", "redis", "requests", "valkey", "websocket"):
    import flask_socketio  # noqa: F401 - the first import decides
