"""Archives that are made while they are sent: of a bundle, and of all that a link gives out."""

from datetime import UTC, datetime
from functools import partial

from transfer_service.web.context import services
from transfer_service.web.files.file_response import StoredFile
from transfer_service.wire.zip_layout import ZipLayout, ZipMembers

MEDIA_TYPE = "application/zip"


def zip_file(members: ZipMembers, name: str, *, made_at: datetime | None = None) -> StoredFile:
    """An archive of these members, as `services().sharing.bundles.collect` gives them, for `file_response.respond`.

    Its name gets `.zip` behind it. The same members are the same bytes with the same ETag, at every instance; so an
    address whose members are collected anew for each request can be resumed with `If-Range` for as long as they are the
    same. `made_at` is for an address whose members never change. Without it the date is that of the newest member,
    which does not tell one selection from another: then only the ETag does.
    """
    layout = ZipLayout(members)
    newest = datetime.fromtimestamp(max(members.times, default=0), UTC)
    return StoredFile(
        name=zip_name(name),
        media_type=MEDIA_TYPE,
        length=layout.size,
        etag=layout.etag(),
        modified_at=newest if made_at is None else made_at,
        is_dated=made_at is not None,
        open=partial(services().sharing.bundles.open, layout),
        still_exists=lambda: True,
    )


def zip_name(name: str) -> str:
    """What an archive is called."""
    return name if name.lower().endswith(".zip") else f"{name}.zip"
