"""E18: a PDF is signed and checked by any thread, also by one that runs an event loop."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
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

    # A thread of its own: a browser test before this one may have left a loop running in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, sign_and_check()).result()


def test_e18_what_a_crash_left_behind_does_not_stop_signing(tmp_path: Path) -> None:
    for name in (f".signing.p12.{os.getpid()}", ".signing.p12.half"):
        (tmp_path / name).write_bytes(b"half")
    certificate = own_certificate(tmp_path, "The Lab")
    assert certificate.stat().st_mode & 0o777 == 0o600
    assert own_certificate(tmp_path, "The Lab") == certificate
