"""What the states of a message are called."""

from __future__ import annotations

from typing import Final

# How the reason of a message begins that was on its way when a backup was made which is restored now.
RESTORED: Final = "Restored from a backup"

STATE_WORDS: Final[dict[str, str]] = {
    "held": "Waits to be sent",
    "due": "About to be sent",
    "claimed": "Being sent",
    "handing_over": "Being sent",
    "sent": "Sent",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "unconfirmed": "Unconfirmed",
}
