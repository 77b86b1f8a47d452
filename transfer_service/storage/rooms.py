"""Which blobs there are, where each has its place below the folder of its room, and what its key may be."""

import re
import uuid
from dataclasses import dataclass

from transfer_service.errors import BlobMissing
from transfer_service.storage.blobs import Key

_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Room:
    """One kind of blobs.

    `location` is where a web server in front has the room. Of a room with `shards` the first two characters of a key
    are a folder, of one with `groups` what is before its slash. In one that `publishes` a blob comes under a key of
    another form, and is written there to its end before it gets its own.
    """

    location: str
    form: re.Pattern[str]
    shards: bool = False
    groups: bool = False
    publishes: bool = False

    def path_of(self, key: Key) -> str:
        """The place of a blob below the folder of the room. Raises BlobMissing for what is no key of the room's."""
        name = key.hex if isinstance(key, uuid.UUID) else key
        if self.groups:
            group, slash, filename = name.partition("/")
            is_right = slash and self.is_listed(group) and "/" not in filename and filename not in {"", ".", ".."}
        else:
            is_right = self.is_listed(name)
        if not is_right:
            raise BlobMissing
        return f"{name[:2]}/{name}" if self.shards else name

    def place_of(self, key: Key) -> str:
        """Like `path_of`, of what is listed and removed as one: of a group its folder."""
        name = key.hex if isinstance(key, uuid.UUID) else key
        if not self.groups:
            return self.path_of(name)
        group = name.partition("/")[0]
        if not self.is_listed(group):
            raise BlobMissing
        return group

    def is_listed(self, name: str) -> bool:
        """Whether a blob, or where there are groups a group, can be called that."""
        found = self.form.fullmatch(name)
        return found is not None and (not self.publishes or int(found[1]) <= _LARGEST_ID)


FILES = Room("blobs", re.compile(r"[0-9a-f]{32}", re.ASCII), shards=True)
"""Files of accounts, finished or not, by their UUIDs."""
ATTACHMENTS = Room("chats", re.compile(r"[0-9a-f]{24}", re.ASCII), groups=True)
"""Attachments, `<message id>/<filename>`: one for each message, written once and never changed."""
ARCHIVES = Room("games", re.compile(r"(0|[1-9][0-9]{0,18})\.(?:zip|part|ready)", re.ASCII), publishes=True)
"""Archives, `<game data id>.zip`, and those on their way there, `<job id>.part`.

What is called `.zip` was verified before it got that key; `.ready` is left by who was killed while it gave it.
"""
PREVIEWS = Room("previews", re.compile(r"[0-9a-f]{24}|[0-9a-f]{32}", re.ASCII), shards=True)
"""Previews of files and of attachments, all sizes of one in one blob, by the id of the file or of the message."""
