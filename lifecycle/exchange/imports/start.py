"""Beginning an import: keeping its files, taking its map, asking for a check or a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.core.db import db
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.queue import BULK, enqueue_after_commit
from lifecycle.exchange.imports.mapping import CardMap, map_from, read_map
from lifecycle.exchange.imports.models import CardImport
from lifecycle.exchange.imports.prepare import get_import
from lifecycle.exchange.imports.reading import CsvText, read_csv, survey
from lifecycle.exchange.imports.run import refuse_if_not_startable
from lifecycle.governance.moves.create import get_pipeline
from lifecycle.records.files.models import StoredFile
from lifecycle.records.files.receive import clean_name
from lifecycle.records.files.store import keep_file
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.permissions import require

MOST_MAP_BYTES = 256 * 1024


def begin_import(
    slug: str,
    file_name: str,
    content: bytes,
    *,
    actor: Actor,
    accounts: tuple[str, bytes] | None = None,
    mapping: CardMap | None = None,
) -> CardImport:
    """Keep the files of a new import in the open transaction and return it as a draft.

    Args:
        accounts: name and bytes of a second file that tells about accounts.

    Raises:
        NotPermitted, NotFound (no such board), Invalid (a file that cannot be read; the sentence says why).
    """
    require(actor, "imports.run")
    pipeline = get_pipeline(slug)
    source = read_csv(file_name, content)
    rows, columns = survey(source)
    reading: dict[str, Any] = {
        "columns": [column.as_dict() for column in columns],
        "notes": list(source.notes),
        "delimiter": source.delimiter,
    }
    accounts_file: StoredFile | None = None
    if accounts is not None:
        accounts_source = read_csv(*accounts)
        _, account_columns = survey(accounts_source)
        reading["account_columns"] = [column.as_dict() for column in account_columns]
        reading["notes"] += accounts_source.notes
        accounts_file = _keep(accounts_source, actor)
    record = CardImport(
        pipeline_id=pipeline.id,
        file_id=_keep(source, actor).id,
        file_name=source.name,
        accounts_file_id=accounts_file.id if accounts_file else None,
        accounts_file_name=accounts_file.name if accounts_file else None,
        reading=reading,
        mapping=_as_data(mapping) if mapping else {},
        rows_total=rows,
        created_by=actor.user_id,
    )
    db.session.add(record)
    db.session.flush()
    return record


def _keep(source: CsvText, actor: Actor) -> StoredFile:
    # Kept as UTF-8 whatever it came as, so that it is decided once how it is to be read.
    name = clean_name(source.name)
    name = name if name.lower().endswith((".csv", ".txt")) else f"{name}.csv"
    return keep_file(name, source.text.encode("utf-8"), actor)


def read_map_file(name: str, content: bytes) -> CardMap:
    """Return the map in a file's bytes.

    Raises:
        Invalid: too large, or not UTF-8. BrokenMap: every mistake in it.
    """
    if len(content) > MOST_MAP_BYTES:
        raise Invalid(f"The map is larger than {MOST_MAP_BYTES // 1024} KiB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The map is not UTF-8 text.") from None
    return read_map(clean_name(name), text)


def set_mapping(import_id: int, data: Mapping[str, Any], *, actor: Actor) -> CardImport:
    """Keep a map with the import, in the open transaction; what was checked before is a draft again.

    Raises:
        NotPermitted, NotFound, BrokenMap, Conflict (it is under way, done or withdrawn).
    """
    require(actor, "imports.run")
    record = _held(import_id)
    if record.state in ("checking", "running", "done", "withdrawn"):
        raise Conflict("The map of this import cannot be changed now. Nothing was changed.")
    record.mapping = _as_data(map_from(dict(data)))
    record.state = "draft"
    record.forecast = {}
    record.failure = None
    return record


def declare_dates(import_id: int, orders: Mapping[str, str], *, actor: Actor) -> CardImport:
    """Answer the questions about the order of day and month, by column.

    Raises:
        as `set_mapping`.
    """
    record = get_import(import_id)
    declared = record.mapping.get("dates", {})
    dates = {**(declared if isinstance(declared, dict) else {}), **orders}
    return set_mapping(import_id, {**record.mapping, "dates": dates}, actor=actor)


def ask_for_check(import_id: int, *, actor: Actor) -> CardImport:
    """Have the file gone through without writing to the board, by a job after the commit.

    Raises:
        NotPermitted, NotFound, Conflict.
    """
    return _ask(import_id, "checking", "jobs.imports.check", actor)


def ask_for_run(import_id: int, *, actor: Actor) -> CardImport:
    """Have the import run by a job after the commit.

    Raises:
        NotPermitted, NotFound, Conflict, Invalid (not checked, or questions are open).
    """
    require(actor, "imports.run")
    record = _held(import_id)
    if record.state == "draft":
        raise Invalid("Check the import first; nothing was imported.")
    if record.state == "checked" and record.forecast.get("questions"):
        raise Invalid("Answer the questions about dates first; nothing was imported.")
    return _ask(import_id, "running", "jobs.imports.run", actor)


def _ask(import_id: int, state: str, job: str, actor: Actor) -> CardImport:
    require(actor, "imports.run")
    record = _held(import_id)
    refuse_if_not_startable(record, state)
    if not record.mapping:
        raise Invalid("Say which column feeds what first.")
    record.state = state
    record.started_at = record.seen_at = record.finished_at = None
    record.rows_done = record.rows_refused = 0
    record.failure = None
    enqueue_after_commit(BULK, job, import_id)
    return record


def _held(import_id: int) -> CardImport:
    get_import(import_id)
    record = db.session.get(CardImport, import_id, populate_existing=True, with_for_update=True)
    assert record is not None
    return record


def _as_data(mapping: CardMap) -> dict[str, Any]:
    return mapping.model_dump(mode="json", exclude_defaults=True)
