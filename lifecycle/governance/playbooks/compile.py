"""From the document to the playbook that the engine runs: every name looked up, every expression checked.

Deterministic, and from the document alone: a stored revision compiles to what it compiled to when it was
published. All mistakes are found at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from lifecycle.core.calendars import BusinessCalendar, calendar_from_spec
from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.language.document import (
    ChecklistDocument,
    Content,
    EvidenceDocument,
    MeetingDocument,
    MessageDocument,
    PlaybookDocument,
)
from lifecycle.governance.language.errors import BrokenPlaybook, nearest, shown
from lifecycle.governance.language.model import (
    ChecklistDef,
    EvidenceDef,
    FieldDef,
    MeetingDef,
    MessageDef,
    Option,
    PhaseDef,
    PlaybookDef,
)
from lifecycle.governance.language.names import ACCOUNT_NAMES, CARD_NAMES, declared_names
from lifecycle.governance.language.shape import misfits
from lifecycle.governance.playbooks.checks import CheckTypes
from lifecycle.governance.playbooks.fields import Lists, compile_fields, options_of, words_of
from lifecycle.governance.playbooks.load import Loaded, Places
from lifecycle.governance.playbooks.references import Findings, Names, roles_of
from lifecycle.governance.playbooks.stages import Shared, compile_pipeline

PLACE: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
GENERAL_PLACES: Final = (
    "contact.name",
    "contact.email",
    "owner.name",
    "owner.email",
    "pipeline.name",
    "stage.name",
    "phase.name",
)


def compile_playbook(content: Mapping[str, Any], types: CheckTypes | None = None) -> PlaybookDef:
    """Return the playbook of a revision's stored content.

    Raises BrokenPlaybook when it is not one, which only a change of the program could bring about.
    """
    try:
        document = Content.model_validate(content)
    except ValidationError as error:
        places = Places()
        raise BrokenPlaybook(
            places.error(path, sentence, remedy) for path, sentence, remedy, _ in misfits(Content, error)
        ) from None
    return compile_document(Loaded(document, Places()), types)


def compile_document(loaded: Loaded, types: CheckTypes | None = None) -> PlaybookDef:
    """Return the playbook; raises BrokenPlaybook with every mistake, each with its file and line."""
    findings = Findings(loaded.places)
    playbook = _compiled(loaded.content, findings, check_types() if types is None else types)
    if findings.errors:
        raise BrokenPlaybook(findings.errors)
    return playbook


def _compiled(content: Content, findings: Findings, types: CheckTypes) -> PlaybookDef:
    main = content.playbook
    lists: Lists = {key: options_of(options) for key, options in main.lists.items()}
    fields = compile_fields(main.fields, lists, findings)
    checklists = {key: _checklist(key, each, findings) for key, each in main.checklists.items()}
    evidence = {key: _evidence(key, each, lists, findings) for key, each in main.evidence.items()}
    calendars = _calendars(main, findings)
    names = _names(content, findings, fields, checklists, evidence)
    phases = _phases(main, names)
    _check_main(main, names)
    shared = Shared(main.playbook, fields, lists, phases, tuple(main.calendars), types)
    pipelines = tuple(compile_pipeline(each, shared, names) for each in content.pipelines.values())
    messages = {key: _message(key, each, fields, findings) for key, each in content.messages.items()}
    return PlaybookDef(
        key=main.playbook,
        name=main.name or words_of(main.playbook),
        purpose=main.purpose,
        process_owner=main.process_owner,
        review_on=main.review_on,
        phases=phases,
        lanes=_by_key(options_of(main.lanes)),
        departments=_by_key(options_of(main.departments)),
        roles=_by_key(options_of(main.roles)),
        calendars=calendars,
        fields=fields,
        lists=lists,
        checklists=checklists,
        evidence=evidence,
        meetings={key: _meeting(key, each) for key, each in main.meetings.items()},
        messages=messages,
        pipelines=pipelines,
    )


def _by_key(options: Iterable[Option]) -> dict[str, Option]:
    return {option.key: option for option in options}


def _names(
    content: Content,
    findings: Findings,
    fields: Mapping[str, FieldDef],
    checklists: Mapping[str, ChecklistDef],
    evidence: Mapping[str, EvidenceDef],
) -> Names:
    main = content.playbook
    known: dict[str, Iterable[str]] = {
        "calendar": main.calendars,
        "checklist": checklists,
        "checklist_item": [f"{each.key}.{item.key}" for each in checklists.values() for item in each.items],
        "department": main.departments,
        "evidence": evidence,
        "field": fields,
        "lane": main.lanes,
        "list": main.lists,
        "meeting": main.meetings,
        "message": content.messages,
        "outcome": [f"{each.key}.{outcome.key}" for each in evidence.values() for outcome in each.outcomes],
        "phase": main.phases,
        "pipeline": content.pipelines,
        "role": roles_of(main.departments),
    }
    declared = declared_names(fields.values(), evidence.values())
    return Names(findings, {kind: list(keys) for kind, keys in known.items()}, declared)


def _check_main(main: PlaybookDocument, names: Names) -> None:
    for position, pipeline in enumerate(main.pipelines):
        names.expect("pipeline", pipeline, ("playbook", "pipelines", position))
    for role in main.roles:
        names.expect("role", role, ("playbook", "roles", role))
    owner = main.process_owner
    if owner is not None and "@" not in owner:
        names.expect("role", owner, ("playbook", "process_owner"))
    if not names.known["pipeline"]:
        names.findings.note(("playbook",), "the playbook has no pipeline", "write one into a file of its own")


def _phases(main: PlaybookDocument, names: Names) -> dict[str, PhaseDef]:
    found: dict[str, PhaseDef] = {}
    for number, (key, written) in enumerate(main.phases.items(), start=1):
        names.expect("lane", written.lane, ("playbook", "phases", key, "lane"))
        name = written.name or words_of(key)
        found[key] = PhaseDef(key, name, number, written.lane, written.client_gate, written.purpose)
    return found


def _calendars(main: PlaybookDocument, findings: Findings) -> dict[str, BusinessCalendar]:
    found: dict[str, BusinessCalendar] = {}
    for key, spec in main.calendars.items():
        try:
            found[key] = calendar_from_spec(spec)
        except ValueError as error:
            place, _, sentence = str(error).partition(": ")
            inner = tuple(place.split(".")) if sentence and " " not in place else ()
            findings.note(("playbook", "calendars", key, *inner), sentence or str(error))
    return found


def _checklist(key: str, written: ChecklistDocument, findings: Findings) -> ChecklistDef:
    if not written.items:
        findings.note(
            ("playbook", "checklists", key), "the checklist has no items", "write 'key: what to tick'"
        )
    return ChecklistDef(key, written.name or words_of(key), options_of(written.items), written.help)


def _evidence(key: str, written: EvidenceDocument, lists: Lists, findings: Findings) -> EvidenceDef:
    path = ("playbook", "evidence", key)
    outcomes = options_of(written.outcomes)
    if written.list is not None:
        outcomes = lists.get(written.list, ())
        if written.list not in lists:
            findings.note(
                (*path, "outcomes"), f"'{shown(written.list)}' is not a list", nearest(written.list, lists)
            )
    if outcomes and "talk" not in written.accepts:
        findings.note(
            path, "only a talk has an outcome", "add 'talk' to what is accepted, or leave out outcomes"
        )
    if not written.accepts:
        findings.note((*path, "accepts"), "nothing is accepted", "name file, link, note or talk")
    return EvidenceDef(key, written.name or words_of(key), tuple(written.accepts), outcomes, written.help)


def _meeting(key: str, written: MeetingDocument) -> MeetingDef:
    agenda = tuple((topic, minutes or 0) for topic, minutes in written.agenda.items())
    minutes = written.minutes or sum(each for _, each in agenda) or 30
    return MeetingDef(key, written.name or words_of(key), minutes, agenda, written.help)


def _message(
    key: str, written: MessageDocument, fields: Mapping[str, FieldDef], findings: Findings
) -> MessageDef:
    places = [
        *GENERAL_PLACES,
        *(f"card.{name}" for name in CARD_NAMES),
        *(f"account.{name}" for name in ACCOUNT_NAMES),
        *(f"{field.of}.{field.key}" for field in fields.values()),
    ]
    for part in ("subject", "text"):
        text: str = getattr(written, part)
        for place in PLACE.findall(text):
            if place not in places:
                sentence = f"'{shown(place)}' is nothing a message can show"
                findings.note(("messages", key, part), sentence, nearest(place, places))
    return MessageDef(key, written.subject, written.text)
