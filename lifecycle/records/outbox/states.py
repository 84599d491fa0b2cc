"""What the states of a message are called."""

from __future__ import annotations

from typing import Final

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
