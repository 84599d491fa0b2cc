"""Signing PDF files with the installation's certificate, and checking such a signature (PAdES).

The certificate is a PKCS#12 file: the one in SIGNING_CERTIFICATE, or one of our own that is made on first
use, for ten years. A signature by our own says that the file has not changed since; who we are is for a
certificate of an authority to say.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

_LASTS: Final = timedelta(days=3652)
_FIELD: Final = "Lifecycle"


Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Checked:
    """What a signature says: `is_intact` that the bytes are those that were signed, `by` whose it is."""

    is_intact: bool
    by: str


def sign_pdf(pdf: bytes, certificate: Path, password: str | None, *, reason: str) -> bytes:
    """Return the PDF with a signature over all of it.

    Raises:
        ValueError: the certificate cannot be used; the sentence says why.
    """
    # Half a second to import, for a job that is rare.
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter  # noqa: PLC0415
    from pyhanko.sign import fields, signers  # noqa: PLC0415

    passphrase = password.encode() if password else None
    load = signers.SimpleSigner.load_pkcs12
    signer = load(str(certificate), passphrase=passphrase)  # type: ignore[no-untyped-call]
    if signer is None:
        raise ValueError(
            f"{certificate.name} cannot be opened: it is no PKCS#12 file, or has another password."
        )
    metadata = signers.PdfSignatureMetadata(
        field_name=_FIELD, reason=reason, md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES
    )
    pdf_signer = signers.PdfSigner(metadata, signer=signer)
    signed = _apart(lambda: pdf_signer.sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf))))
    return bytes(signed.getvalue())


def check_pdf(pdf: bytes) -> Checked | None:
    """Return what the signature of a PDF says, whoever's it is; None for a file without one."""
    from pyhanko.pdf_utils.misc import PdfReadError  # noqa: PLC0415
    from pyhanko.pdf_utils.reader import PdfFileReader  # noqa: PLC0415
    from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature  # noqa: PLC0415
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415

    try:
        signatures = PdfFileReader(BytesIO(pdf)).embedded_signatures
        if not signatures:
            return None
        certificate = signatures[-1].signer_cert
        trusted = ValidationContext(trust_roots=[certificate])
        status = _apart(lambda: validate_pdf_signature(signatures[-1], signer_validation_context=trusted))
    except (PdfReadError, ValueError, KeyError, TypeError, IndexError):
        return Checked(False, "")
    covers_all = status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    return Checked(
        bool(status.intact and status.valid and covers_all), str(certificate.subject.human_friendly)
    )


def own_certificate(folder: Path, name: str) -> Path:
    """Return our own certificate in a folder, made for `name` if there is none yet."""
    file = folder / "signing.p12"
    if file.exists():
        return file
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    at = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + _LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_for_signing(), critical=True)
        .sign(key, hashes.SHA256())
    )
    content = pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificate, None, serialization.NoEncryption()
    )
    _write_once(file, content)
    return file


def _for_signing() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_once(file: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all; the first of two writers wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Of a name that nobody has: not even a process with our number that was killed while it wrote.
    handle, half = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        os.fsync(stream.fileno())
    try:
        os.link(half, file)
    except FileExistsError:
        pass
    finally:
        os.unlink(half)  # noqa: PTH108 - a name, as mkstemp gives it


def _apart(work: Callable[[], Returned]) -> Returned:
    """Return what is worked out in a thread of its own.

    pyHanko runs an event loop for each call, which a thread that is inside of one may not.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()
