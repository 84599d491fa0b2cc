"""From the document to the playbook that the engine runs: every name looked up, every expression checked.

Deterministic, and from the document alone: a stored revision compiles to what it compiled to when it was
published. All mistakes are found at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from lifecycle.core.calendar_specs import calendar_from_spec
from lifecycle.core.calendars import BusinessCalendar
from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.language.document import (
    ChecklistDocument,
    ClientPhaseDocument,
    ClientRequestDocument,
    Content,
    EvidenceDocument,
    MeetingDocument,
    MessageDocument,
    PhaseDocument,
    PlaybookDocument,
)
from lifecycle.governance.language.errors import BrokenPlaybook, Path, nearest, shown
from lifecycle.governance.language.model import (
    ChecklistDef,
    ClientRequestDef,
    EvidenceDef,
    FieldDef,
    MeetingDef,
    MessageDef,
    Option,
    PhaseDef,
    PlaybookDef,
    RuleDef,
    SignDef,
)
from lifecycle.governance.language.names import ACCOUNT_NAMES, CARD_NAMES, declared_names
from lifecycle.governance.language.shape import misfits
from lifecycle.governance.messages.template import mistakes_in, names_in, words_alone
from lifecycle.governance.playbooks.checks import CheckTypes
from lifecycle.governance.playbooks.fields import (
    Lists,
    QuestionCompiler,
    compile_fields,
    options_of,
    words_of,
)
from lifecycle.governance.playbooks.forms import FormCompiler, all_questions
from lifecycle.governance.playbooks.legal import compile_legal
from lifecycle.governance.playbooks.load import Loaded, Places
from lifecycle.governance.playbooks.references import Findings, Names, roles_of
from lifecycle.governance.playbooks.rules import compile_rules, rules_of_stages
from lifecycle.governance.playbooks.stages import Shared, compile_pipeline, compile_series
from lifecycle.governance.playbooks.words import check_words
from lifecycle.governance.rules.actions import NotifyParams
from lifecycle.records.sms.segments import MOST_SEGMENTS, count_segments

REQUEST_PLACES: Final = ("request.name", "request.link", "request.due", "request.reason")
GENERAL_PLACES: Final = (
    "contact.name",
    "contact.first_name",
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
    fields = _with_computed(compile_fields(main.fields, lists, findings), content.client_requests)
    checklists = {key: _checklist(key, each, findings) for key, each in main.checklists.items()}
    evidence = {key: _evidence(key, each, lists, findings) for key, each in main.evidence.items()}
    calendars = _calendars(main, findings)
    names = _names(content, findings, fields, checklists, evidence)
    phases = _phases(main, names)
    _check_main(main, names)
    shared = Shared(main.playbook, fields, lists, phases, tuple(main.calendars), types, main.reminders)
    pipelines = tuple(compile_pipeline(each, shared, names) for each in content.pipelines.values())
    places = _places(fields)
    messages = {key: _message(key, each, places, findings) for key, each in content.messages.items()}
    requests = {
        key: _client_request(key, each, fields, QuestionCompiler(fields, lists, findings), places, names)
        for key, each in content.client_requests.items()
    }
    rules = (*rules_of_stages(pipelines), *compile_rules(content.rules, pipelines, fields, names))
    _check_messages(content, messages, requests, rules, findings)
    reminders = ("playbook", "reminders")
    playbook = PlaybookDef(
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
        client_requests=requests,
        legal={key: compile_legal(key, each, findings) for key, each in content.legal.items()},
        rules=rules,
        handoff_reminders=compile_series(main.reminders.handoffs, names, (*reminders, "handoffs")),
        meeting_reminders=compile_series(main.reminders.meetings, names, (*reminders, "meetings")),
        contact_fields=_contact_fields(main, names),
        words=content.words,
    )
    if not findings.errors:
        check_words(playbook, places, findings)
    return playbook


def _with_computed(
    fields: Mapping[str, FieldDef], requests: Mapping[str, ClientRequestDocument]
) -> dict[str, FieldDef]:
    """Return the fields, those marked that a score writes."""
    computed = {
        score.saves: request.name
        for request in requests.values()
        for score in request.scores.values()
        if score.saves
    }
    return {key: replace(field, computed_by=computed.get(key)) for key, field in fields.items()}


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
        "client_request": content.client_requests,
        "checklist_item": [f"{each.key}.{item.key}" for each in checklists.values() for item in each.items],
        "department": main.departments,
        "evidence": evidence,
        "field": fields,
        "single_field": [
            key for key, field in fields.items() if field.computed_by is None and field.type != "table"
        ],
        "writable_field": [key for key, field in fields.items() if field.computed_by is None],
        "lane": main.lanes,
        "legal_document": content.legal,
        "list": main.lists,
        "meeting": main.meetings,
        "message": content.messages,
        "outcome": [f"{each.key}.{outcome.key}" for each in evidence.values() for outcome in each.outcomes],
        "phase": main.phases,
        "pipeline": content.pipelines,
        "questionnaire": [key for key, each in content.client_requests.items() if each.pages],
        "form_page": [
            f"{key}.{page}" for key, each in content.client_requests.items() for page in each.pages
        ],
        "role": roles_of(main.departments),
    }
    declared = declared_names(fields.values(), evidence.values(), content.client_requests)
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
        found[key] = _phase(key, number, written)
    return found


def _phase(key: str, number: int, written: PhaseDocument) -> PhaseDef:
    name = written.name or words_of(key)
    to_client = written.client or ClientPhaseDocument()
    return PhaseDef(
        key,
        name,
        number,
        written.lane,
        written.client_gate,
        written.purpose,
        to_client.name or name,
        written.purpose if to_client.purpose is None else to_client.purpose,
    )


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


def _places(fields: Mapping[str, FieldDef]) -> list[str]:
    """Return every name that a message may show."""
    return [
        *GENERAL_PLACES,
        *REQUEST_PLACES,
        *(f"card.{name}" for name in CARD_NAMES),
        *(f"account.{name}" for name in ACCOUNT_NAMES),
        *(f"{field.of}.{field.key}" for field in fields.values()),
    ]


def _message(key: str, written: MessageDocument, places: Sequence[str], findings: Findings) -> MessageDef:
    texts = {"subject": written.subject, "text": written.text, "html": written.html, "sms": written.sms}
    reads_request = False
    for part, text in texts.items():
        if text is None:
            continue
        mistakes = list(mistakes_in(text, places))
        for mistake in mistakes:
            findings.note(("messages", key, part), mistake.sentence, mistake.remedy)
        if not mistakes:
            reads_request = reads_request or any(name.startswith("request.") for name in names_in(text))
            if part == "sms":
                _check_sms(key, text, written, findings)
    return MessageDef(key, written.subject, written.text, written.html, reads_request, written.sms)


def _check_sms(key: str, text: str, written: MessageDocument, findings: Findings) -> None:
    """Note an SMS that is too long whatever its places hold, or that asks without the way to answer."""
    path, link = ("messages", key, "sms"), "request.link"
    parts = count_segments(words_alone(text))
    if parts > MOST_SEGMENTS:
        findings.note(
            path,
            f"an SMS of {parts} parts, its places left empty, is too long",
            f"say it in {MOST_SEGMENTS} parts: of 153 letters, or of 67 if one is not in the GSM alphabet",
        )
    if link not in names_in(text) and link in written.text:
        findings.note(path, "the text has {{ request.link }} and the SMS has not", "add {{ request.link }}")


def _client_request(
    key: str,
    written: ClientRequestDocument,
    fields: Mapping[str, FieldDef],
    questions: QuestionCompiler,
    places: Sequence[str],
    names: Names,
) -> ClientRequestDef:
    path = ("client_requests", key)
    for kind, part, named in (
        ("field", "shows", written.shows),
        ("evidence", "documents", written.documents),
        ("legal_document", "legal", written.legal),
    ):
        for position, name in enumerate(named):
            names.expect(kind, name, (*path, part, position))
    names.expect("message", written.message, (*path, "message"))
    names.expect("message", written.reminder, (*path, "reminder"))
    attach = written.attach
    if attach is not None:
        names.expect("evidence", attach.evidence, (*path, "attach", "evidence"))
    for mistake in mistakes_in(written.intro, [each for each in places if not each.startswith("request.")]):
        names.findings.note((*path, "intro"), mistake.sentence, mistake.remedy)
    if written.answer == "submit" and not (written.asks or written.pages or attach):
        sentence = "the client has nothing to submit"
        names.findings.note(path, sentence, "add 'asks:' or 'attach:', or write 'answer: accept'", key=True)
    if written.pages and (written.asks or written.answer != "submit"):
        sentence = "a form with pages is submitted, and asks on its pages only"
        names.findings.note((*path, "pages"), sentence, "write 'answer: submit' and move 'asks' to a page")
    if written.sign is not None:
        _check_sign(written, names, path)
    form = FormCompiler(questions, names, fields, written.legal)
    pages = form.pages(written.pages, (*path, "pages"))
    return ClientRequestDef(
        key=key,
        name=written.name,
        message=written.message,
        answer=written.answer,
        intro=written.intro,
        shows=tuple(written.shows),
        documents=tuple(written.documents),
        legal=tuple(written.legal),
        asks=all_questions(pages) or questions.compiled(written.asks, (*path, "asks")),
        attach=attach.evidence if attach else None,
        must_attach=attach.required if attach else False,
        consent=written.consent,
        button=written.button or "",
        reminder=written.reminder,
        pages=pages,
        scores=form.scores(written.scores, (*path, "scores")),
        sign=SignDef(written.sign.paper) if written.sign else None,
    )


def _check_sign(written: ClientRequestDocument, names: Names, path: Path) -> None:
    assert written.sign is not None
    names.expect("evidence", written.sign.paper, (*path, "sign", "paper"))
    if not written.consent:
        names.findings.note((*path, "sign"), "nobody can sign without a sentence", "write 'consent:'")
    if written.asks:
        sentence = "what is signed is looked over first, so questions stand on pages"
        names.findings.note((*path, "sign"), sentence, "write 'pages:' instead of 'asks:'")


def _check_messages(
    content: Content,
    messages: Mapping[str, MessageDef],
    requests: Mapping[str, ClientRequestDef],
    rules: Iterable[RuleDef],
    findings: Findings,
) -> None:
    """Note a request whose mail has no link, and a message about a request that goes out without one."""
    for key, request in requests.items():
        message = messages.get(request.message)
        if message is not None and "{{ request.link }}" not in message.text:
            sentence = f"'{shown(message.key)}' does not bring the client to the request"
            remedy = "write {{ request.link }} into its text"
            findings.note(("client_requests", key, "message"), sentence, remedy)
    for rule in rules:
        has_request = (rule.trigger.event or "").startswith("card.request.")
        for action in rule.actions:
            if not isinstance(action.params, NotifyParams) or has_request:
                continue
            message = messages.get(action.params.message or "")
            if message is not None and message.reads_request:
                sentence = (
                    f"'{shown(message.key)}' speaks of a request, and there is none on {shown(rule.name)}"
                )
                findings.note(
                    _place_of(content, rule), sentence, "use it in a client_gate or in a rule on request.…"
                )


def _place_of(content: Content, rule: RuleDef) -> Path:
    if not rule.is_of_stage:
        return ("rules", rule.key)
    pipeline, stage, part, _ = rule.key.split(".")
    written = content.pipelines[pipeline].stages[stage]
    return ("pipelines", pipeline, "stages", stage, *((part,) if getattr(written, part) else ()))


def _contact_fields(main: PlaybookDocument, names: Names) -> tuple[str, str] | None:
    written = main.contact_from
    if written is None:
        return None
    names.expect("field", written.name, ("playbook", "contact_from", "name"))
    names.expect("field", written.email, ("playbook", "contact_from", "email"))
    return written.name, written.email
