"""What commands say where the database or the object store does not do what it is asked: who it is, and why.

Clients and the log are told less: whoever calls a command has to find out what is set wrongly. Nothing of a URL is
told.
"""

from collections.abc import Iterator
from sqlite3 import Error as SqliteError

from transfer_service.errors import StoreUnavailable, TransferError

DOES_NOT_ANSWER = "it does not answer"
_OF_POSTGRESQL = {
    "authentication failed": "it refuses the user or the password",
    "no password supplied": "it wants a password",
    "does not exist": "it has no such database or user",
    "pg_hba.conf": "it does not let this user in from here (pg_hba.conf)",
    "too many": "it takes no more connections (max_connections)",
    "connection slots": "it takes no more connections (max_connections)",
    "permission denied": "the user may not do this there",
}
"""By what libpq or the server says. Its own words may hold a host that is the end of a password."""
_OF_THE_OBJECT_STORE = {
    "NoCredentialsError": "there are no credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set)",
    "PartialCredentialsError": "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY one is missing",
    "InvalidAccessKeyId": "it does not know the credentials",
    "SignatureDoesNotMatch": "it does not know the credentials, or region is another one",
    "AccessDenied": "it does not let these credentials do this",
    "NoSuchBucket": "there is no such bucket",
}


def reason_of(error: TransferError | ValueError) -> str:
    """A sentence for the one who called a command."""
    if isinstance(error, StoreUnavailable) and str(error) == StoreUnavailable.detail:
        for cause in _causes(error):
            kind = type(cause).__module__.partition(".")[0]
            if kind == "psycopg":
                return f"The database is not available: {_of_postgresql(str(cause))}"
            if kind in {"botocore", "urllib3"}:
                return f"The object store is not available: {_of_the_object_store(cause)}"
            if isinstance(cause, SqliteError):
                return f"The database is not available: {cause}"
    return str(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an error was raised from, and for whom that was, the nearest first."""
    cause: BaseException | None = error.__cause__
    while cause is not None:
        yield getattr(cause, "orig", None) or cause
        cause = cause.__cause__


def _of_postgresql(message: str) -> str:
    return next((said for words, said in _OF_POSTGRESQL.items() if words in message), DOES_NOT_ANSWER)


def _of_the_object_store(cause: BaseException) -> str:
    reason = str(getattr(cause, "response", {}).get("Error", {}).get("Code", "")) or type(cause).__name__
    return _OF_THE_OBJECT_STORE.get(reason, f"{DOES_NOT_ANSWER} as it should ({reason})")
