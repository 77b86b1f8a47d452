"""Links of the account of a bench."""

import uuid
from typing import Any

from tests.services.conftest import Bench
from transfer_service.services.accounts.passwords import Passwords
from transfer_service.services.sharing.link_downloads import LinkDownloads
from transfer_service.services.sharing.link_rows import LinkRecord
from transfer_service.services.sharing.link_tokens import LinkTokens
from transfer_service.services.sharing.link_uploads import LinkUploads
from transfer_service.services.sharing.links import LinkService
from transfer_service.threads import offload
from transfer_service.wire.links import LinkDraft

SECRET = b"a secret of links, long enough for anybody"


class Links:
    """Makes links, and asks for what they give out."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        core = bench.services.core
        self.service = LinkService(
            core,
            files=bench.services.files,
            uploads=LinkUploads(core, uploads=bench.services.resumable_uploads),
            passwords=Passwords(offload=offload),
            tokens=LinkTokens([SECRET]),
        )
        self.downloads = LinkDownloads(core)

    def to(self, *file_ids: uuid.UUID, **fields: Any) -> LinkRecord:
        """A link for downloads."""
        return self.service.create(self.bench.account_id, LinkDraft(is_upload=False, file_ids=file_ids, **fields))

    def for_uploads(self, **fields: Any) -> LinkRecord:
        """A link for uploads."""
        return self.service.create(self.bench.account_id, LinkDraft(is_upload=True, **fields))

    def again(self, link: LinkRecord) -> LinkRecord:
        """The link, found by its address. Raises LinkGone."""
        return self.service.find(self.service.token_of(link) or "")

    def names(self, link: LinkRecord) -> list[str]:
        """What it shows."""
        return [file.name for file in self.service.contents(self.again(link))]
