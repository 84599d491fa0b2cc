"""An S3-compatible bucket, where the bytes of files may be: each upload under a key of its own.

Not under its hash: then whoever sweeps what no row names could take away what is just being uploaded again.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import uuid
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from typing import IO, Any, Final

from flask import current_app

from lifecycle.config import BucketAccount, Settings
from lifecycle.core.words import _
from lifecycle.records.files.models import PIECE
from lifecycle.records.files.pieces import StorageAway

log = logging.getLogger(__name__)

PAGE: Final = 1000
"""Objects that are asked for at once."""
_CONNECT: Final = 3  # seconds
_ANSWER: Final = 15
_TRIES: Final = 2
# What there is not, or not so much of, however often it is asked for.
_GONE: Final = frozenset({"NoSuchKey", "404", "InvalidRange", "416"})


class Bucket:
    """One bucket; may be asked by any thread. Everything raises StorageAway when it does not answer in time.

    Args:
        home: what the keys of this installation begin with, and of no other that shares the bucket.
    """

    def __init__(self, account: BucketAccount, home: str) -> None:
        # Loaded only where it is set: it is large, and most installations have no bucket.
        boto, errors = import_module("boto3.session"), import_module("botocore.exceptions")
        config = import_module("botocore.config").Config(
            signature_version="s3v4",
            # The bytes are part of what is signed: none is changed on its way.
            s3={"addressing_style": "path", "payload_signing_enabled": True},
            # Other servers than Amazon's do not know the checksums that it wants otherwise.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=_CONNECT,
            read_timeout=_ANSWER,
            retries={"total_max_attempts": _TRIES, "mode": "standard"},
        )
        self.name = account.name
        self._home = f"{account.prefix}{home}/"
        self._failures = (errors.BotoCoreError, errors.ClientError)
        self._client = boto.Session().client(
            "s3",
            endpoint_url=account.endpoint,
            region_name=account.region,
            aws_access_key_id=account.access_key,
            aws_secret_access_key=account.secret_key,
            config=config,
        )

    def put(self, source: IO[bytes], size: int) -> str:
        """Put bytes into the bucket from their start, and return their key."""
        key = f"{self._home}{uuid.uuid4()}"
        source.seek(0)
        self._ask("put_object", Key=key, Body=source, ContentLength=size)
        return key

    def read(self, key: str, at: int) -> bytes:
        """Return a piece of an object, from a place on; nothing if there is nothing."""
        answer = self._ask("get_object", Key=key, Range=f"bytes={at}-{at + PIECE - 1}")
        if answer is None:
            return b""
        try:
            # A server that knows no ranges begins anew each time; its bytes are not those of the hash.
            return bytes(answer["Body"].read(PIECE))
        except self._failures as failure:
            raise self._away(failure) from None
        finally:
            answer["Body"].close()

    def check(self) -> None:
        """Find out whether the bucket is there and lets us in."""
        self._ask("list_objects_v2", Prefix=self._home, MaxKeys=1)

    def keys(self, older_than: datetime) -> Iterator[str]:
        """Yield the keys of what this installation put there before a time."""
        more: dict[str, str] = {}
        while True:
            answer = self._ask("list_objects_v2", Prefix=self._home, MaxKeys=PAGE, **more) or {}
            yield from (
                each["Key"] for each in answer.get("Contents", []) if each["LastModified"] < older_than
            )
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        """Take an object away; one that is not there is away already."""
        self._ask("delete_object", Key=key)

    def _ask(self, what: str, **how: Any) -> Any:
        try:
            return getattr(self._client, what)(Bucket=self.name, **how)
        except self._failures as failure:
            if what == "get_object" and _code(failure) in _GONE:
                return None
            raise self._away(failure) from None

    def _away(self, failure: Exception) -> StorageAway:
        # Its own words may hold the whole request.
        log.error("the bucket of files: %s %s", type(failure).__name__, _code(failure))
        return StorageAway(_("Files cannot be reached just now. Nothing was changed; try again in a moment."))


def open_bucket(settings: Settings) -> Bucket | None:
    """Return the bucket of an installation, if it has one. Nothing is asked of it yet."""
    if settings.bucket is None:
        return None
    # Whoever knows the key has these files; another installation in the same bucket sweeps its own.
    mark = hmac.digest(settings.secret_key.encode(), b"lifecycle files", hashlib.sha256).hex()[:12]
    return Bucket(settings.bucket, mark)


def current_bucket() -> Bucket | None:
    """Return the bucket of the current application, if it has one."""
    bucket: Bucket | None = current_app.extensions["bucket"]
    return bucket


def _code(failure: Exception) -> str:
    response = getattr(failure, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
