"""Where a source of remote downloads keeps an archive."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Source:
    """A place on the web with many archives. `base_url` holds placeholders, or what stands before every name."""

    name: str
    base_url: str

    def url_of(self, *, game_id: uuid.UUID, game_data_id: int, added_at: datetime, sha256: str) -> str:
        """The address of one archive."""
        values = {"{gameId}": str(game_id), "{gameDataId}": str(game_data_id), "{sha256}": sha256}
        url = self.base_url
        for placeholder, value in values.items():
            url = url.replace(placeholder, value)
        if url != self.base_url:
            return url
        return f"{url}{game_id}-{(added_at - _EPOCH) // _MILLISECOND}.zip"
