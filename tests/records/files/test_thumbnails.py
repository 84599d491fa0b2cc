"""E5, E19: pictures are shown small, to whoever may see the file, without what they hide."""

from __future__ import annotations

import struct
import time
import uuid
import zlib
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask
from PIL import Image

from jobs.files import find_lost_thumbnails, make_thumbnails
from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.pictures import make_small
from lifecycle.records.files.models import FileThumbnail
from lifecycle.records.files.store import keep_file
from lifecycle.records.files.thumbnails import LOST_AFTER, MOST_TRIES, claim
from lifecycle.records.people.actor import SYSTEM
from tests.bucket import BucketServer
from tests.factories.browsing import Caller
from tests.factories.cards import KnownCard, a_card, make_account
from tests.factories.clients import Client, a_contact, request_of
from tests.factories.consequences import follow_through
from tests.factories.forms import publish_form
from tests.factories.people import Person, make_user
from tests.factories.playbooks import publish_lab

ORIENTATION, MAKER = 0x0112, 0x010F


def picture(width: int = 1200, height: int = 300, kind: str = "JPEG", mode: str = "RGB", **how: Any) -> bytes:
    """A picture whose left half is red and whose right half is blue."""
    made = Image.new("RGB", (width, height), "blue")
    made.paste("red", (0, 0, width // 2, height))
    content = BytesIO()
    made.convert(mode).save(content, kind, **how)
    return content.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = 6, "A camera that tells its name"
    return picture(exif=exif, comment=b"taken at home", icc_profile=b"a profile")


def bomb() -> bytes:
    """A PNG of a few bytes that says it has two thousand million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 40_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def scans(number: int, side: int = 5000) -> bytes:
    """A progressive JPEG that goes over all its pixels so many times more, in 75 bytes each."""
    content = BytesIO()
    Image.new("L", (side, side)).save(content, "JPEG", progressive=True, quality=1)
    whole = content.getvalue().removesuffix(b"\xff\xd9")
    return whole + whole[whole.rindex(b"\xff\xda") :] * number + b"\xff\xd9"


def remarks(number: int) -> bytes:
    """A JPEG with so many empty remarks before its pixels."""
    whole = picture()
    return whole[:2] + b"\xff\xfe\x00\x02" * number + whole[2:]


def frames(number: int) -> bytes:
    first, *others = [Image.new("P", (600, 40), color) for color in range(number)]
    content = BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, loop=0)
    return content.getvalue()


def keep(app: Flask, content: bytes, name: str = "photo.jpg") -> uuid.UUID:
    with app.app_context(), transaction():
        return keep_file(name, content, SYSTEM).id


def make(app: Flask) -> int:
    with app.app_context():
        return make_thumbnails()


def states(app: Flask) -> list[tuple[str, int]]:
    with app.app_context():
        return [tuple(row) for row in db.session.execute(sa.select(FileThumbnail.state, FileThumbnail.tries))]  # type: ignore[misc]


@pytest.mark.parametrize(
    "content",
    [
        picture(),
        picture(kind="PNG", mode="P"),
        picture(kind="PNG", mode="LA"),
        picture(kind="WEBP"),
        picture(kind="JPEG", mode="CMYK"),
        picture(kind="PNG", mode="1"),
        frames(30),
        picture(progressive=True),
        scans(20, 600),
        remarks(1000),
        picture() + b"\xff\xda\x00\x02" * 500,
        picture() + turned(),
        picture(kind="PNG") + b"\xff\xda" * 500,
    ],
    ids=[
        "jpeg",
        "palette",
        "transparent",
        "webp",
        "cmyk",
        "black and white",
        "moving",
        "progressive",
        "slow",
        "with remarks",
        "with a film",
        "with another",
        "no jpeg",
    ],
)
def test_every_kind_of_picture_is_made_small(content: bytes) -> None:
    small = make_small(BytesIO(content))
    assert small
    with Image.open(BytesIO(small.content)) as shown:
        assert (shown.format, shown.width) == ("WEBP", 480)
        assert (shown.width, shown.height) == (small.width, small.height)
        assert getattr(shown, "n_frames", 1) == 1


def test_it_is_upright_and_tells_nothing_of_where_it_was_taken() -> None:
    small = make_small(BytesIO(turned()))
    assert small
    for word in (b"camera", b"home", b"profile", b"EXIF", b"ICCP", b"XMP"):
        assert word not in small.content
    with Image.open(BytesIO(small.content)) as shown:
        assert shown.height > shown.width
        red, _green, blue = shown.convert("RGB").getpixel((shown.width // 2, 5))  # type: ignore[misc]
        assert red > 200 > blue


@pytest.mark.parametrize(
    "content",
    [bomb(), picture()[:3000], b"\xff\xd8\xff\xe0" + b"\x00" * 400, b"GIF89a" + b"\xff" * 90, b""],
    ids=["bomb", "cut", "zeros", "broken gif", "empty"],
)
def test_a_bomb_or_a_broken_picture_gives_none(content: bytes) -> None:
    assert make_small(BytesIO(content)) is None


def test_a_small_picture_is_not_made_larger() -> None:
    small = make_small(BytesIO(picture(40, 20)))
    assert small
    assert (small.width, small.height) == (40, 20)


def test_the_job_makes_each_once_and_never_tries_a_broken_one_again(app: Flask, services: Any) -> None:
    shown, broken = keep(app, picture()), keep(app, picture()[:3000], "cut.jpg")
    keep(app, picture(), "again.jpg")
    keep(app, b"%PDF-1.4\n%%EOF\n", "no-picture.pdf")
    assert make(app) == 2
    assert sorted(states(app)) == [("made", 1), ("none", 1)]
    assert make(app) == 0
    with app.app_context():
        assert not find_lost_thumbnails()
    caller = Caller(app, make_user(app))
    answer = caller.get(f"/files/{shown}/thumbnail")
    assert (answer.status_code, answer.mimetype) == (200, "image/webp")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert caller.get(f"/files/{broken}/thumbnail").status_code == 404


def test_a_picture_that_would_take_hours_takes_none(app: Flask, services: Any) -> None:
    """Every scan of a JPEG costs as much as all its pixels: a megabyte of them is half an hour."""
    keep(app, scans(400))
    begun = time.monotonic()
    assert make(app) == 1
    assert time.monotonic() - begun < 5
    assert states(app) == [("none", 1)]


def test_nobody_reads_millions_of_empty_remarks() -> None:
    """Each is read by itself: 25 MB of them kept a worker for twenty seconds."""
    assert make_small(BytesIO(remarks(3000))) is None


def test_one_that_was_lost_is_found_again_and_not_for_ever(app: Flask, services: Any) -> None:
    keep(app, picture())
    with app.app_context():
        [(sha256,)] = db.session.execute(sa.text("select sha256 from files")).all()
        with transaction():
            assert claim(sha256)
            assert not claim(sha256), "somebody is at it"
    assert make(app) == 0
    for tries in range(2, MOST_TRIES + 1):
        with time_machine.travel(now() + tries * (LOST_AFTER + timedelta(seconds=5))), app.app_context():
            assert find_lost_thumbnails()
            with transaction():
                assert claim(sha256)
    with time_machine.travel(now() + timedelta(days=1)), app.app_context():
        assert not find_lost_thumbnails(), "it kills whoever tries"
    assert states(app) == [("trying", MOST_TRIES)]


def test_a_bucket_that_is_away_is_no_try(app: Flask, bucket: BucketServer) -> None:
    keep(app, picture())
    bucket.stop()
    assert make(app) == 0
    assert states(app) == [("trying", 0)]
    bucket.start()
    with time_machine.travel(now() + LOST_AFTER + timedelta(seconds=5)):
        assert make(app) == 1
    assert states(app) == [("made", 1)]


def test_evidence_on_a_card_shows_its_picture(app: Flask, services: Any) -> None:
    publish_lab(app, "first: { leave: [ { evidence: { name: photo, at_least: 2 } } ] }\nsecond: {}")
    ana = make_user(app)
    card, caller = a_card(app, ana), Caller(app, ana)
    sent = {"kind": "file", "key": "photo", "title": "", "file": (BytesIO(picture()), "bench.jpg")}
    assert caller.post(f"{card.url}/attachments", **sent).status_code < 400
    plain = caller.get(card.url).text
    assert "bench.jpg" in plain
    assert "/thumbnail" not in plain
    make(app)
    page = caller.get(card.url).text
    assert page.count('/thumbnail" alt="bench.jpg" width="480" height="120"') == 2, (
        "in the list and at the gate"
    )


@pytest.fixture
def ana(app: Flask) -> Person:
    publish_form(app)
    return make_user(app, name="Ana", role="manager", departments=["bench"])


@pytest.fixture
def card(app: Flask, ana: Person, smtp_sink: Any) -> KnownCard:
    account = make_account(app, owner=ana, name="Nordwind")
    a_contact(app, account)
    card = a_card(app, ana, account=account)
    Caller(app, ana).post(f"/cards/{card.id}/client-requests", request="survey")
    follow_through(app)
    return card


def test_a_clients_picture_is_shown_to_them_and_to_staff_and_to_nobody_else(
    app: Flask, ana: Person, card: KnownCard
) -> None:
    cleo = Client.of(app, card, "survey")
    cleo.open()
    content = {"ask-lists": (BytesIO(picture()), "mast.jpg")}
    assert cleo.send("pages/trade", act="save", edition="0", **content).status_code == 303
    asked = request_of(app, card, "survey")
    [kept] = asked["files"]
    address = f"{cleo.path}/files/{kept['id']}/thumbnail"
    assert address not in cleo.browser.get(f"{cleo.path}/pages/trade").text
    assert cleo.browser.get(address).status_code == 404
    make(app)
    assert f'{address}" alt="mast.jpg"' in cleo.browser.get(f"{cleo.path}/pages/trade").text
    got = cleo.browser.get(address)
    assert (got.status_code, got.mimetype) == (200, "image/webp")
    assert got.headers["Referrer-Policy"] == "no-referrer"
    review = Caller(app, ana).get(f"/client-gates/{asked['id']}").text
    assert f'/files/{kept["id"]}/thumbnail" alt="mast.jpg"' in review

    other = a_card(app, ana, account=make_account(app, owner=ana, name="Another"), title="Another")
    a_contact(app, other.account, "Otto", email="otto@other.example")
    Caller(app, ana).post(f"/cards/{other.id}/client-requests", request="survey")
    follow_through(app)
    otto = Client.of(app, other, "survey")
    otto.open()
    assert otto.browser.get(f"{otto.path}/files/{kept['id']}/thumbnail").status_code == 404
    assert otto.browser.get(f"/files/{kept['id']}/thumbnail").status_code in (302, 303, 401)
    gone = app.test_client().get(f"/c/no-such-link/files/{kept['id']}/thumbnail")
    assert gone.status_code == 404
