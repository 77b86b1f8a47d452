"""Chat over HTTP and Socket.IO."""

from transfer_service.spared import spared

# What its clients and its own ways between instances need: ours are in `services/event_channels.py`.
with spared("aiohttp", "redis", "requests", "valkey", "websocket"):
    import flask_socketio  # noqa: F401 - the first import decides
