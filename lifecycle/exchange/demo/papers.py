"""A one-page PDF, so that a proof in the demo opens as the paper it stands for."""

from __future__ import annotations

from collections.abc import Sequence

_HEAD = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"


def make_paper(title: str, lines: Sequence[str]) -> bytes:
    """Return a PDF of one A4 page with a title and lines below it; characters beyond Latin-1 become `?`."""
    text = [f"BT /F1 18 Tf 60 770 Td ({_escaped(title)}) Tj /F1 11 Tf 0 -20 Td"]
    text += [f"0 -18 Td ({_escaped(line)}) Tj" for line in lines]
    content = " ".join([*text, "ET"]).encode("latin-1", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    body, offsets = _HEAD, []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return body + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(body))
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").replace("\n", " ")
