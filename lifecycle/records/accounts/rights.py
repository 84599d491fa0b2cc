"""What a contact may answer for at their company."""

from __future__ import annotations

from typing import Final

CONTACT_RIGHTS: Final[dict[str, str]] = {
    "owner": "Owner",
    "technical": "Technical",
    "billing": "Billing",
    "signatory": "Signatory",
}
