"""Where the blobs of a room are in a bucket: names of objects, and keys back from them.

Below the prefix of the installation `files/`, `attachments/`, `archives/` and `previews/` have blobs that are one
object each, under the paths that they would have on a disk; `pieces/<room>/` has pieces of others,
`quarantine/<room>/` what cleanup has set aside, `marks/<room>` the installation's id.
"""

import uuid

from transfer_service.errors import BlobMissing
from transfer_service.storage.blobs import Key
from transfer_service.storage.rooms import ARCHIVES, ATTACHMENTS, FILES, PREVIEWS, Room

_FOLDERS = ((FILES, "files"), (ATTACHMENTS, "attachments"), (ARCHIVES, "archives"), (PREVIEWS, "previews"))


class RoomLayout:
    """The names of one room below a prefix."""

    def __init__(self, prefix: str, room: Room) -> None:
        self.room = room
        self.name = next(name for each, name in _FOLDERS if each is room)
        self.own_prefix = f"{prefix}/{self.name}/"
        self.piece_prefix = f"{prefix}/pieces/{self.name}/"
        self.quarantine_prefix = f"{prefix}/quarantine/{self.name}/"
        self.mark_name = f"{prefix}/marks/{self.name}"
        self.probe_name = f"{prefix}/marks/probe-{self.name}"

    @property
    def room_holds_wholes(self) -> bool:
        """Whether what is whole may be put at its own name at once: not where it still changes its key."""
        return not self.room.publishes

    def key_of(self, key: Key) -> str:
        """The key as text. Raises BlobMissing for what is no key of the room's."""
        self.room.path_of(key)
        return key.hex if isinstance(key, uuid.UUID) else key

    def own_name(self, key: Key) -> str:
        """The object that a blob is when it is in one. Raises BlobMissing."""
        return f"{self.own_prefix}{self.room.path_of(key)}"

    def is_group(self, key: Key) -> bool:
        """Whether a key names all of a group."""
        return self.room.groups and isinstance(key, str) and "/" not in key

    def group_prefix_of(self, key: Key) -> str:
        """What the names of the objects begin with that a group is. Raises BlobMissing."""
        return f"{self.own_prefix}{self.room.place_of(key)}/"

    def piece_prefix_of(self, key: Key) -> str:
        """What the names of all pieces of a blob begin with, and those of its group. Raises BlobMissing."""
        return f"{self.piece_prefix}{self.room.place_of(key)}/"

    def new_piece_name(self, key: Key) -> str:
        """A name that no object ever had, for a piece of the blob. Raises BlobMissing."""
        return f"{self.piece_prefix_of(key)}{uuid.uuid4().hex}"

    def key_at(self, own_name: str) -> str | None:
        """The key of the blob whose own name that is, None where it is no blob's."""
        path = own_name.removeprefix(self.own_prefix)
        key = path[3:] if self.room.shards else path
        try:
            return key if own_name.startswith(self.own_prefix) and self.room.path_of(key) == path else None
        except BlobMissing:
            return None

    def listed_key(self, key: str) -> str:
        """The key under which a blob is listed: in a room with groups that of its group."""
        return key.partition("/")[0] if self.room.groups else key

    def place_of_piece(self, piece_name: str) -> str | None:
        """Where the room has the blob, or its group, in whose place a piece lies. None where it lies in no place."""
        place = piece_name.removeprefix(self.piece_prefix).rpartition("/")[0]
        key = self.key_at_place(place)
        try:
            return place if piece_name.startswith(self.piece_prefix) and self.room.place_of(key) == place else None
        except BlobMissing:
            return None

    def key_at_place(self, place: str) -> str:
        """The key of what has that place."""
        return place[3:] if self.room.shards else place
