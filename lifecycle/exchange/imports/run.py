"""Going through an import: once without writing anything (a check), and once for real.

Both open their own transactions, one a batch, and are called by a job or a command outside any. A run that
dies can be started again: what it had put on the board is known by its identifiers and not doubled. Each
start raises the import's run number, so of two runs of one import only the later goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.core.errors import Conflict, Invalid, Refusal
from lifecycle.core.locks import AdvisoryLock
from lifecycle.exchange.imports.accounts import (
    find_accounts,
    new_accounts_of,
    settle_accounts,
    settle_contacts,
)
from lifecycle.exchange.imports.changes import (
    ARCHIVED,
    Difference,
    Effect,
    KnownCard,
    apply_difference,
    difference,
    foresee,
    known_cards,
    refusal_of,
)
from lifecycle.exchange.imports.figures import Figures
from lifecycle.exchange.imports.mapping import BrokenMap
from lifecycle.exchange.imports.models import CardImport, ImportRowError
from lifecycle.exchange.imports.prepare import Batch, Prepared, get_import, prepare
from lifecycle.exchange.imports.rows import PlannedCard, Problem, folded_name
from lifecycle.governance.cards.limits import StageFull, refusals
from lifecycle.governance.moves.backfill import PastCard, backfill_visits
from lifecycle.records.evidence.log import record_event
from lifecycle.records.people.actor import SYSTEM, Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import require

log = logging.getLogger(__name__)

# A job that gave no sign of life for so long is dead.
SILENCE = timedelta(seconds=90)
_ATTEMPTS = 3
Changed = tuple[PlannedCard, KnownCard, Difference]


class _Overtaken(Exception):
    """Another run of the same import began; this one stops."""


def actor_of(record: CardImport) -> Actor:
    """Return who an import acts for; raises NotPermitted when they may no longer."""
    user = db.session.get(User, record.created_by) if record.created_by else None
    actor = Actor.of(user) if user is not None and user.is_active else SYSTEM
    if record.created_by is not None and actor is SYSTEM:
        raise Invalid("The person who began this import left. Begin it again in your own name.")
    require(actor, "imports.run")
    return actor


def check_import(import_id: int) -> CardImport:
    """Go through the file without writing to the board; keep figures, questions and row errors.

    A map that cannot be used, or a file that breaks off, leaves the import as a draft with the reasons.
    """
    run_number = _begin(import_id, "checking")
    try:
        _check(import_id, run_number)
    except _Overtaken:
        log.info("check of import %s was overtaken", import_id)
    except Refusal as refusal:
        _give_up(import_id, run_number, "draft", refusal)
    except Exception:
        _give_up(import_id, run_number, "draft", None)
        raise
    return get_import(import_id)


def _check(import_id: int, run_number: int) -> None:
    record = get_import(import_id)
    prepared = prepare(record, actor_of(record), now())
    actor = actor_of(record)
    figures = Figures()
    names: set[str] = set()
    if not prepared.questions:
        _tell(import_id, run_number, prepared.problems, 0, 0)
        for batch in prepared.batches():
            problems = [*batch.problems, *_foretell(prepared, batch, figures, names, actor)]
            _count(figures, batch, problems)
            _tell(import_id, run_number, problems, figures.rows, len(figures.refused_rows))
    forecast = figures.as_dict(prepared.board.definition, prepared.owners.unknown)
    _finish(import_id, run_number, "checked", forecast={**forecast, "questions": list(prepared.questions)})


def _foretell(
    prepared: Prepared, batch: Batch, figures: Figures, names: set[str], actor: Actor
) -> list[Problem]:
    """Count what a batch would do; return what of it would be refused."""
    new, changed, problems = _sorted(prepared, batch, figures)
    known = find_accounts({card.account for card in new if card.account})
    new, ambiguous = _with_one_account(new, known.several, prepared)
    new, crowded = _with_room(new, prepared, figures.created)
    for card in new:
        figures.count_new(card)
        folded = folded_name(card.account) if card.account else None
        if folded is None or folded in names:
            continue
        names.add(folded)
        if not known.has(card.account or ""):
            figures.new_accounts += 1
            figures.note_accounts([card.account or ""])
        elif folded not in known.ids:
            figures.restored_accounts += 1
    figures.new_contacts += _new_contacts(new, names)
    effects = foresee(changed, actor)
    for row, effect in effects.items():
        figures.count_effect(row, effect)
    db.session.rollback()
    return [*problems, *ambiguous, *crowded, *_as_problems(effects)]


def _new_contacts(cards: Sequence[PlannedCard], names: set[str]) -> int:
    count = 0
    for card in cards:
        if card.contact_name:
            key = (
                f"\0{folded_name(card.account or '')}\0{folded_name(card.contact_email or card.contact_name)}"
            )
            count += key not in names
            names.add(key)
    return count


def run_import(import_id: int) -> CardImport:
    """Put the file's cards on the board, a batch a transaction, and return the import as it stands then.

    Raises:
        Conflict: a live run of it is under way, or it was withdrawn.
    """
    run_number = _begin(import_id, "running")
    try:
        _run(import_id, run_number)
    except _Overtaken:
        log.info("run %s of import %s was overtaken", run_number, import_id)
    except Refusal as refusal:
        _give_up(import_id, run_number, "failed", refusal)
    except Exception:
        _give_up(import_id, run_number, "failed", None)
        raise
    return get_import(import_id)


def _run(import_id: int, run_number: int) -> None:
    record = get_import(import_id)
    actor = actor_of(record)
    prepared = prepare(record, actor, now())
    if prepared.questions:
        none = Figures().as_dict(prepared.board.definition, {})
        _finish(import_id, run_number, "checked", forecast={**none, "questions": list(prepared.questions)})
        return
    figures = Figures()
    _tell(import_id, run_number, prepared.problems, 0, 0)
    for batch in prepared.batches():
        changed = _write(prepared, batch, figures, run_number, actor)
        for each in changed:
            _change(prepared, each, figures, run_number, actor)
    figures.new_accounts, figures.new_account_names = new_accounts_of(import_id)
    summary = figures.as_dict(prepared.board.definition, prepared.owners.unknown)
    db.session.rollback()
    _finish(import_id, run_number, "done", summary=summary, actor=actor)


def _write(
    prepared: Prepared, batch: Batch, figures: Figures, run_number: int, actor: Actor
) -> list[Changed]:
    """Write a batch's new cards; return the rows about cards that are there already and changed."""
    for attempt in range(1, _ATTEMPTS + 1):
        trial = Figures()
        try:
            with transaction():
                # One batch at a time, whatever import it is of: two could make the same account twice.
                db.session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.IMPORT})
                changed = _write_new(prepared, batch, trial, run_number, figures, actor)
        except (IntegrityError, OperationalError, StageFull):
            # Somebody took an identifier or a place, or held a lock, just now; the next look sees it.
            if attempt == _ATTEMPTS:
                raise
            continue
        _add(figures, trial)
        return changed
    raise AssertionError("unreachable")


def _write_new(
    prepared: Prepared, batch: Batch, trial: Figures, run_number: int, figures: Figures, actor: Actor
) -> list[Changed]:
    new, changed, problems = _sorted(prepared, batch, trial)
    known = find_accounts({card.account for card in new if card.account})
    new, ambiguous = _with_one_account(new, known.several, prepared)
    new, crowded = _with_room(new, prepared)
    problems = [*batch.problems, *problems, *ambiguous, *crowded]
    missing = prepared.mapping.account.missing
    accounts, trial.restored_accounts = settle_accounts(
        new, known, prepared.accounts, missing, import_id=prepared.import_id, actor=actor
    )
    contacts, trial.new_contacts = settle_contacts(new, accounts, actor=actor)
    cards = [
        PastCard(
            account_id=accounts[card.row],
            contact_id=contacts.get(card.row),
            title=card.title,
            owner_id=card.owner_id,
            external_id=card.external_id,
            visits=card.visits,
            is_undated=card.is_undated,
            value_amount=card.value_amount,
            value_currency=card.value_currency,
            fields=card.fields,
            evidence={"row": card.row, "taken": card.taken(), "source": dict(card.kept)},
        )
        for card in new
    ]
    if cards:
        backfill_visits(
            prepared.board,
            cards,
            actor=actor,
            import_id=prepared.import_id,
            at=prepared.at,
            clock=prepared.mapping.clock,
        )
    for card in new:
        trial.count_new(card)
    _count(trial, batch, problems)
    _note(
        prepared.import_id,
        run_number,
        problems,
        figures.rows + trial.rows,
        len(figures.refused_rows | trial.refused_rows),
    )
    return changed


def _change(prepared: Prepared, each: Changed, figures: Figures, run_number: int, actor: Actor) -> None:
    planned, known, change = each
    try:
        with transaction():
            effect = apply_difference(planned, known, change, import_id=prepared.import_id, actor=actor)
    except Refusal as refusal:
        effect = refusal_of(refusal)
    figures.count_effect(planned.row, effect)
    if effect.sentences:
        problems = _as_problems({planned.row: effect})
        _tell(prepared.import_id, run_number, problems, figures.rows, len(figures.refused_rows))


def _sorted(
    prepared: Prepared, batch: Batch, figures: Figures
) -> tuple[list[PlannedCard], list[Changed], list[Problem]]:
    """Part a batch into new cards and changed ones; unchanged ones are counted."""
    external_ids = [card.external_id for card in batch.planned]
    known = known_cards(prepared.board.row.id, external_ids, prepared.import_id)
    new: list[PlannedCard] = []
    changed: list[Changed] = []
    problems: list[Problem] = []
    for card in batch.planned:
        found = known.get(card.external_id)
        if found is None:
            new.append(card)
            continue
        change = difference(card, found)
        if not change and found.import_id == prepared.import_id:
            # Put there by an earlier run of this import that did not come to its end.
            figures.count_new(card)
        elif not change:
            figures.unchanged += 1
        elif found.is_archived:
            problems.append(Problem(card.row, ARCHIVED))
        else:
            changed.append((card, found, change))
    return new, changed, problems


def _with_one_account(
    cards: list[PlannedCard], several: set[str], prepared: Prepared
) -> tuple[list[PlannedCard], list[Problem]]:
    if not several:
        return cards, []
    kept, problems = [], []
    for card in cards:
        if card.account and folded_name(card.account) in several:
            sentence = "Several accounts have this name; rename them so that one is meant."
            problems.append(Problem(card.row, sentence, prepared.mapping.account.column, card.account))
        else:
            kept.append(card)
    return kept, problems


def _with_room(
    cards: list[PlannedCard], prepared: Prepared, before: Mapping[str, int] | None = None
) -> tuple[list[PlannedCard], list[Problem]]:
    full = refusals(prepared.board.row.id, [card.visits[-1].stage for card in cards], before)
    kept = [card for position, card in enumerate(cards) if position not in full]
    return kept, [Problem(cards[position].row, sentence) for position, sentence in full.items()]


def _as_problems(effects: dict[int, Effect]) -> list[Problem]:
    return [Problem(row, sentence) for row, effect in effects.items() for sentence in effect.sentences]


def _count(figures: Figures, batch: Batch, problems: Sequence[Problem]) -> None:
    figures.rows += batch.rows
    figures.refused_rows |= {problem.row for problem in problems}


def _add(figures: Figures, trial: Figures) -> None:
    figures.rows += trial.rows
    figures.refused_rows |= trial.refused_rows
    figures.created += trial.created
    for stage, value in trial.values.items():
        figures.values[stage] += value
    figures.currency = trial.currency or figures.currency
    for name in ("held", "undated", "restored_accounts", "new_contacts", "unchanged"):
        setattr(figures, name, getattr(figures, name) + getattr(trial, name))


# --- the import's own row ---


def _begin(import_id: int, state: str) -> int:
    """Take the import for this run and return the run's number."""
    with transaction():
        record = db.session.get(CardImport, import_id, populate_existing=True, with_for_update=True)
        if record is None:
            raise Invalid("There is no such import.")
        refuse_if_not_startable(record, state)
        record.state = state
        record.run_number += 1
        record.rows_done = record.rows_refused = 0
        record.failure = None
        record.finished_at = None
        record.started_at = record.seen_at = now()
        db.session.execute(delete(ImportRowError).where(ImportRowError.import_id == import_id))
        return record.run_number


def refuse_if_not_startable(record: CardImport, state: str) -> None:
    """Raise Conflict unless a check or run may begin now. A job that was asked for and not begun may."""
    if record.state == "withdrawn":
        raise Conflict("This import was withdrawn. Import the file again instead.")
    if state == "checking" and record.state == "done":
        raise Conflict("This import is done. Import the file again to check it anew.")
    is_begun = record.seen_at is not None and record.finished_at is None and record.started_at is not None
    if record.state in ("checking", "running") and is_begun and not is_silent(record):
        raise Conflict("This import is being worked on already.")


def is_silent(record: CardImport) -> bool:
    """Say whether the job of an import gave no sign of life for 90 seconds."""
    # Seen in a time that is yet to come, by a clock that has been set back since: nobody knows when.
    return record.seen_at is None or abs(now() - record.seen_at) > SILENCE


def _tell(import_id: int, run_number: int, problems: Sequence[Problem], rows_done: int, refused: int) -> None:
    with transaction():
        _note(import_id, run_number, problems, rows_done, refused)


def _note(import_id: int, run_number: int, problems: Sequence[Problem], rows_done: int, refused: int) -> None:
    """Keep errors and progress in the open transaction; raises _Overtaken when another run began."""
    _update(import_id, run_number, {"rows_done": rows_done, "rows_refused": refused, "seen_at": now()})
    if problems:
        db.session.execute(
            insert(ImportRowError).execution_options(render_nulls=True),
            [
                {
                    "import_id": import_id,
                    "row_number": problem.row,
                    "column": problem.column,
                    "value": problem.value,
                    "sentence": problem.sentence,
                }
                for problem in problems
            ],
        )


def _update(import_id: int, run_number: int, values: dict[str, Any]) -> None:
    done = db.session.execute(
        update(CardImport)
        .where(CardImport.id == import_id, CardImport.run_number == run_number)
        .values(values)
        .returning(CardImport.id)
    ).scalar_one_or_none()
    if done is None:
        raise _Overtaken


def _finish(
    import_id: int,
    run_number: int,
    state: str,
    *,
    forecast: dict[str, Any] | None = None,
    summary: dict[str, Any] | None = None,
    actor: Actor = SYSTEM,
) -> None:
    at = now()
    with transaction():
        values: dict[str, Any] = {"state": state, "finished_at": at, "seen_at": at}
        if forecast is not None:
            values["forecast"] = forecast
        if summary is not None:
            values["summary"] = summary
        _update(import_id, run_number, values)
        if summary is not None:
            record = get_import(import_id)
            record_event(
                "import.finished",
                chain="system",
                actor=actor,
                channel="import",
                data={
                    "import": import_id,
                    "file": record.file_name,
                    "file_id": record.file_id,
                    "run": run_number,
                    "figures": summary,
                },
            )


def _give_up(import_id: int, run_number: int, state: str, refusal: Refusal | None) -> None:
    sentence = (
        refusal.sentence
        if refusal
        else "Something went wrong on our side. What is on the board stays; start again."
    )
    values: dict[str, Any] = {"state": state, "failure": sentence, "finished_at": now()}
    if isinstance(refusal, BrokenMap):
        values["failure"] = "The map cannot be used."
        values["forecast"] = {"map_errors": list(refusal.errors), "questions": []}
    elif state == "draft":
        values["forecast"] = {}
    db.session.rollback()
    with transaction():
        db.session.execute(
            update(CardImport)
            .where(CardImport.id == import_id, CardImport.run_number == run_number)
            .values(values)
        )
