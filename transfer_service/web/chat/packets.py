"""Packets of Socket.IO as the library wants them, read by `wire.socket_packets`."""

from typing import Any

import socketio.packet

from transfer_service.wire.socket_packets import parse_packet


class BoundedPacket(socketio.packet.Packet):  # type: ignore[misc] # it has no types
    """A packet whose cost is settled before it is parsed."""

    def decode(self, encoded_packet: object) -> int:
        """Read a packet, and tell how many binary messages belong to it.

        Raises ValueError, TypeError, RecursionError.
        """
        if not isinstance(encoded_packet, str):
            raise TypeError("a binary message that belongs to no packet")
        packet = parse_packet(encoded_packet)
        self.packet_type, self.namespace, self.id = packet.kind, packet.namespace, packet.number
        self.data = packet.data
        return packet.attachments

    def add_attachment(self, attachment: object) -> Any:
        """Take the place of a binary message, whose bytes no event of ours wants. Raises TypeError for a text."""
        if isinstance(attachment, str):
            raise TypeError("a text in the place of a binary message")
        return super().add_attachment(b"")
