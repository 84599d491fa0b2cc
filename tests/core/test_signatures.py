"""E18: a PDF is signed and checked by any thread, also by one that runs an event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import typst

from lifecycle.core.signatures import check_pdf, own_certificate, sign_pdf


def test_e18_a_paper_is_signed_and_checked_inside_of_a_running_loop(tmp_path: Path) -> None:
    page = typst.compile(b"Agreed.", format="pdf")

    async def sign_and_check() -> None:
        signed = sign_pdf(page, own_certificate(tmp_path, "The Lab"), None, reason="Agreed")
        whole = check_pdf(signed)
        assert whole is not None
        assert whole.is_intact
        assert "The Lab" in whole.by
        assert check_pdf(page) is None

    asyncio.run(sign_and_check())
