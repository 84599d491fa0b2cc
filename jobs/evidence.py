"""The evidence log: sign its heads once a day."""

from __future__ import annotations

import logging

from lifecycle.core.errors import Invalid
from lifecycle.records.evidence.heads import sign_heads

log = logging.getLogger(__name__)


def sign_daily_head() -> bool:
    """Sign the heads of all chains unless that was done today; say whether it was done now."""
    try:
        return sign_heads(at_most_daily=True) is not None
    except Invalid as refusal:
        log.error("the heads of the evidence log: %s", refusal.sentence)  # noqa: TRY400 - the sentence says all
        return False
