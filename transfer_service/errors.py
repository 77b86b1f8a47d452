"""What can go wrong, as the rules see it: names and data. HTTP statuses are given in `web.error_envelopes`.

One flat list, so that every failure there is can be read in one place: hence its length.
"""

from transfer_service.shipped import COMMAND


class TransferError(Exception):
    """Base of every expected failure. `detail` is safe to show to a client."""

    detail = "Request failed"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail


class InvalidRequest(TransferError):
    """The request is malformed: a missing field, a bad header, a chunk that does not match itself."""

    detail = "Invalid request"


class InvalidName(InvalidRequest):
    """A filename breaks the rules of NAME."""

    detail = "Invalid file name"


class BodyCutShort(InvalidRequest):
    """The request body ended before its announced length."""

    detail = "The request body ended early"


class BodyTimeout(TransferError):
    """The client sent nothing for longer than the read timeout."""

    detail = "The request body stalled for too long"


class NotAuthenticated(TransferError):
    """No token came with the request."""

    detail = "Not authenticated"


class BadCredentials(TransferError):
    """A token or a password is wrong, expired, revoked or belongs to a disabled account."""

    detail = "Could not validate credentials"


class SignInRefused(BadCredentials):
    """A sign-in at the provider that does not count. `reason` is for logs: who has sent it is not told.

    `name` is the account's, empty where none was found.
    """

    def __init__(self, reason: str, *, name: str = "") -> None:
        super().__init__()
        self.reason = reason
        self.name = name


class TooManyAttempts(TransferError):
    """Too many wrong passwords; try again after `retry_after_seconds`."""

    detail = "Too many failed sign-ins, try again later"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class TooManyGuesses(TooManyAttempts):
    """Too many wrong passwords for a link."""

    detail = "Too many wrong passwords, try again later"


class TooManyRequests(TransferError):
    """More requests than a rate limit allows; `policies` names the limits."""

    detail = "Too many requests, try again later"

    def __init__(self, *, retry_after_seconds: int, policies: list[str]) -> None:
        super().__init__()
        self.retry_after_seconds, self.policies = retry_after_seconds, policies


class TooManyUnderWay(TransferError):
    """As many uploads are unfinished by one upload link as may be."""

    detail = "Too many uploads are under way by this link, try again later"


class Forbidden(TransferError):
    """The account may not do this."""

    detail = "Forbidden"


class LinkUsedUp(Forbidden):
    """As many files, or bytes, have come by an upload link as may, those under way included."""

    detail = "The link is used up"


class WrongPassword(Forbidden):
    """The current password, asked for before it is replaced, is another one."""

    detail = "The current password is wrong"


class WrongLinkPassword(Forbidden):
    """The password is not that of the link."""

    detail = "The password is wrong"


class PasswordRequired(Forbidden):
    """The link has a password, which this client has not shown."""

    detail = "Password required"


class NotParticipant(Forbidden):
    """The account is not in the conversation."""

    detail = "You are not a participant in this conversation"


class MissingPermission(Forbidden):
    """The account lacks the permission for this."""

    detail = "Insufficient permissions"


class AddressInvalid(Forbidden):
    """A signed address is altered or expired, or what it is for is not there any more, or not for its account."""

    detail = "Link expired or invalid"


class KeyLacksScope(Forbidden):
    """The key is for other calls; `scope` is what it would need."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"Key lacks scope {scope}")


class NotForKeys(Forbidden):
    """What people do when they are signed in, whatever a key is for."""

    detail = "Not for keys"


class NotFound(TransferError):
    """There is no such thing, or not for this account."""

    detail = "Not found"


class AccountGone(NotFound):
    """An account was deleted while a request was about to give it something: its own, or another account's."""

    detail = "Account not found"


class LinkGone(NotFound):
    """There is no such link, or none any more: unknown, taken back, expired or used up, told all alike."""

    detail = "Link not found"


class NotComplete(NotFound):
    """The file exists but is not whole yet."""

    detail = "File is not complete and cannot be downloaded"


class NoPreview(NotFound):
    """Of this file there is none, and will be none."""

    detail = "There is no preview of this file"


class PreviewPending(TransferError):
    """A preview is being made, and is not there in time."""

    detail = "The preview is not made yet, try again later"


class FileUnfinished(TransferError):
    """The file is to become something that only a finished one can be."""

    detail = "File is not complete"


class BlobMissing(NotFound):
    """A record names bytes that the store does not have."""

    detail = "File not found"


class BytesLost(BlobMissing):
    """A power loss has taken bytes of a file that was finished without being flushed."""


class RangeConflict(TransferError):
    """Other bytes are already stored there; the first ones stay."""

    detail = "Different data is already stored for this range; delete the file first"


class UploadGone(TransferError):
    """The upload was deleted or replaced while its bytes were arriving."""

    detail = "The upload was deleted meanwhile"


class NameTaken(TransferError):
    """Something of that name exists."""

    detail = "The name is taken"


class FolderNotEmpty(TransferError):
    """Something is in the folder, or on its way into it."""

    detail = "Folder is not empty"


class LastAdmin(TransferError):
    """Without this account nobody could administer the service any more."""

    detail = "This is the last enabled administrator"


class WebhookEnded(TransferError):
    """The receiver of the webhook has said that it is gone."""

    detail = "The webhook has ended"


class DownloadInProgress(TransferError):
    """The game is being downloaded already."""

    detail = "A download of this game is in progress"


class KeyInUse(TransferError):
    """The first request with this Idempotency-Key has not been answered yet."""

    detail = "A request with this Idempotency-Key is under way"
    retry_after_seconds = 1


class KeyReused(TransferError):
    """The Idempotency-Key belongs to another request."""

    detail = "This Idempotency-Key was used for another request"


class AlreadyDownloaded(TransferError):
    """The archive is here already."""

    detail = "This game data is already downloaded"


class TooManyDownloads(TransferError):
    """As many remote downloads as are allowed are active."""

    detail = "Too many downloads are active, try again later"
    retry_after_seconds = 30


class ChecksumsPending(TransferError):
    """An archive needs checksums of files that are being read through for them."""

    detail = "The archive is being prepared, try again later"
    retry_after_seconds = 5


class SourceFailed(TransferError):
    """A source of remote downloads does not give the file. `detail` names neither its URL nor its address."""

    detail = "The source failed"


class MemberUnreadable(TransferError):
    """A member of an archive is encrypted, damaged, or not what the archive says."""

    detail = "This member of the archive cannot be read"


class TooLarge(TransferError):
    """Past the file's length, the size limit or the quota."""

    detail = "File exceeds the maximum size"


class QuotaExceeded(TooLarge):
    """The account has no room for it."""

    detail = "Storage quota exceeded"


class RangeBusy(TransferError):
    """Another connection is sending the same range right now."""

    detail = "Another connection is sending this range, try again"
    retry_after_seconds = 1


class Superseded(RangeBusy):
    """Somebody who came later wants the same range: the newest request wins."""


class ClaimLost(RangeBusy):
    """The claim has run out, and another one may have it: what was written under it does not come to count."""


class StorageFull(TransferError):
    """The disk is full. What was acknowledged stays, and the upload resumes once there is room."""

    detail = "Storage is full"


class StoreUnavailable(TransferError):
    """The database or the store does not answer."""

    detail = "Storage is not available"
    retry_after_seconds = 5


class ServerAway(StoreUnavailable):
    """A server that the service stands on is away. The log says so once, when it goes, and not for each request."""


class ReadOnly(StoreUnavailable):
    """The service only reads: its settings say so, while it is carried to another place."""

    detail = "The service is in read-only mode, try again later"
    retry_after_seconds = 60


class ProviderAway(TransferError):
    """The provider that people sign in at does not answer as one."""

    detail = "The identity provider cannot be reached, try again later"
    retry_after_seconds = 5


class MoveRefused(TransferError):
    """An installation cannot be carried over as it is; `detail` says why."""


class BackupRefused(TransferError):
    """A backup cannot be made or restored as things are; `detail` says why."""


class TransactionLost(StoreUnavailable):
    """The database has undone a transaction for the sake of others: it may be run again as it was."""


class SchemaOutdated(StoreUnavailable):
    """The database has another schema than this version of the service needs."""

    detail = f"The database must be upgraded first: {COMMAND} database upgrade"


class InstallationMismatch(StoreUnavailable):
    """The database and the store do not belong together, for this `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The database and the store do not belong together: {reason}. Correct TRANSFER_DATABASE_URL, "
            f"TRANSFER_STORAGE_URL or TRANSFER_DATA_DIR; to join them on purpose: {COMMAND} database adopt"
        )


class FlushFailed(StoreUnavailable):
    """The disk did not take what was written: nobody knows what of it is there."""


class ReadFailed(TransferError):
    """The store has the bytes but cannot read them."""

    detail = "Error reading file"


class OffsetMismatch(TransferError):
    """An append does not begin where the upload ends. `offset` is where it should, `provided` where it wanted to."""

    detail = "The offset does not match the upload's"

    def __init__(self, *, offset: int, provided: int) -> None:
        super().__init__()
        self.offset, self.provided = offset, provided


class UploadEnded(TransferError):
    """The upload was cancelled, has expired, or became part of another one."""

    detail = "The upload has ended"


class UploadFinished(InvalidRequest):
    """The upload is whole already: nothing can be appended."""

    detail = "The upload is already complete"


class InconsistentLength(InvalidRequest):
    """Two statements about the length of an upload contradict each other."""

    detail = "The length does not match the one given earlier"


class ChecksumMismatch(InvalidRequest):
    """The checksum of a chunk does not match: nothing of it counts."""

    detail = "Checksum mismatch"


class DigestMismatch(InvalidRequest):
    """The bytes are not those that the client promised a digest of."""

    detail = "The digest does not match the content"


class UnsupportedMediaType(TransferError):
    """The body has a media type that this door does not read."""

    detail = "Unsupported media type"


class UnsupportedContentCoding(TransferError):
    """The body is compressed or coded in another way, and would be stored as it is under the type of something else."""

    detail = "Content-Encoding must be identity"


class UnsupportedVersion(TransferError):
    """The client speaks a version of the protocol that this server does not."""

    detail = "Unsupported protocol version"
