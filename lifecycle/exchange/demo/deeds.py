"""What is done in each stage, as the playbook asks for it: facts, proofs, talks, meetings, approvals.

A deed knows when in the stay it is done, by a share of it, and does it through the functions the pages use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from lifecycle.core.clock import now
from lifecycle.exchange.demo import words
from lifecycle.exchange.demo.papers import make_paper
from lifecycle.exchange.demo.plan import Stay
from lifecycle.exchange.demo.scene import Scene
from lifecycle.exchange.demo.walk import Walker, answer_as_client, hold_as_client
from lifecycle.governance.cards import edit, proofs
from lifecycle.governance.cards.waiting import start_waiting, stop_waiting
from lifecycle.governance.cards.waivers import waive_check
from lifecycle.governance.gates.subject import Subject
from lifecycle.governance.handoffs.answer import accept_handoff, return_handoff
from lifecycle.governance.requests import answer
from lifecycle.records.files.store import keep_file
from lifecycle.records.people.actor import Actor
from lifecycle.work.approvals.queries import approvals_by_card
from lifecycle.work.client_requests.queries import find_open_request
from lifecycle.work.handoffs.queries import handoffs_by_card
from lifecycle.work.meetings.queries import meetings_by_card
from lifecycle.work.tasks.queries import tasks_by_card

Do = Callable[[Subject], None]
_APPROVAL = "negotiation.growth_manager"


@dataclass(frozen=True)
class Deed:
    """Something done after a share of the stay; `name` is how a plan leaves it out."""

    name: str
    after: float
    do: Do


def deeds_of(scene: Scene, stay: Stay, following: str | None) -> list[Deed]:
    """Return what is done in a stay that leads to the stage `following`, in order; None: it lasts."""
    author = _AUTHORS.get(stay.stage, _talking)
    found = [deed for deed in author(scene, stay, following) if deed.name not in stay.lacks]
    found += _waiting(scene, stay)
    if scene.chance(3):
        body = scene.say(words.COMMENTS[stay.stage])
        writer = scene.owner if scene.chance(2) else scene.manager
        found.append(Deed("comment", 0.72, lambda subject: _comment(subject, writer, body)))
    if following is None:
        found += _next_action(scene, stay)
    return sorted(found, key=lambda deed: deed.after)


# --- stage by stage ---


def _sourced(scene: Scene, _stay: Stay, _following: str | None) -> Iterator[Deed]:
    fit = "strong" if 500 <= scene.provider.subscribers <= 20_000 else "weak"
    yield Deed("segment", 0.2, partial(_fill, scene, values=_at_home(scene)))
    yield Deed("fit", 0.3, partial(_fill, scene, values={"icp_fit": fit}))
    if scene.chance(2):
        url = f"https://{scene.provider.domain}.example/"
        yield Deed(
            "lead_record",
            0.5,
            partial(_prove, scene, key="lead_record", kind="link", title="Website", url=url),
        )
    else:
        note = scene.say(words.LEAD_RECORDS)
        yield Deed(
            "lead_record", 0.5, partial(_prove, scene, key="lead_record", kind="note", title="", note=note)
        )


def _at_home(scene: Scene) -> dict[str, Any]:
    return {"country": scene.provider.country, "segment": scene.provider.segment}


def _verified(scene: Scene, stay: Stay, _following: str | None) -> Iterator[Deed]:
    contact = {"contact_name": scene.contact, "contact_email": scene.contact_email}
    yield Deed("contact", 0.3, partial(_fill, scene, values=contact))
    items = ["company_exists", "is_provider", "right_person", "no_duplicate"]
    if "half" in stay.has:
        yield Deed("half", 0.4, partial(_tick, scene, checklist="verification", items=items[:2]))
    yield Deed("checklist", 0.45, partial(_tick, scene, checklist="verification", items=items))
    yield Deed("hook", 0.6, partial(_finish_tasks, scene, keys=("find_hook",)))


def _talking(scene: Scene, stay: Stay, following: str | None) -> Iterator[Deed]:
    outcome = _outcome(scene, stay, following)
    text = scene.say(words.TALKS[outcome])
    if stay.stage == "outreach_sent":
        text = f"{scene.say(words.OPENERS)} {text}"
    media = ("email", "linkedin") if stay.stage == "outreach_sent" else ("phone", "whatsapp", "email")
    medium = scene.random.choice(media)
    name = "outreach" if stay.stage == "outreach_sent" else "talk"
    key = "outreach" if stay.stage == "outreach_sent" else stay.stage
    log = partial(_prove, scene, key=key, kind="talk", title="", note=text, medium=medium, outcome=outcome)
    yield Deed(name, 0.55, log)
    if "waived" in stay.has:
        yield Deed("waive", 0.8, partial(_waive, scene, type_="time"))


def _outcome(scene: Scene, stay: Stay, following: str | None) -> str:
    for outcome in words.TALKS:
        if outcome in stay.has:
            return outcome
    if following == "engaged":
        return "replied"
    if following == "closed_lost" and scene.story.reason == "stays_put":
        return "not_interested"
    if following == "verified":
        return "wrong_person"
    return "call_later" if stay.stage == "outreach_sent" and scene.chance(6) else "no_answer"


def _engaged(scene: Scene, stay: Stay, _following: str | None) -> Iterator[Deed]:
    if "planned" in stay.has:
        yield Deed("plan", 0.3, partial(_plan_ahead, scene, key="qualification"))
    yield from _meeting(scene, "qualification", words.QUALIFICATION_NOTES, words.QUALIFICATION_DECISIONS)
    values = {
        "pain": scene.pain,
        "urgency": scene.random.choice(("now", "quarter", "quarter", "year")),
        "current_system": _as_answer(scene.system),
        "network_type": list(scene.networks),
    }
    yield Deed("qualified", 0.6, partial(_fill, scene, values=values))
    if "qualified" not in stay.lacks:
        path = {"decision_path": scene.say(words.DECISIONS)}
        yield Deed("decision", 0.65, partial(_fill, scene, values=path))
    items = ["own_case", "people_invited", "questions_known"]
    yield Deed("demo_ready", 0.85, partial(_tick, scene, checklist="demo_ready", items=items))


def _as_answer(system: str) -> str:
    words_ = system.removeprefix("the ")
    return words_[:1].upper() + words_[1:]


def _demo(scene: Scene, stay: Stay, _following: str | None) -> Iterator[Deed]:
    kind = "free_month" if "free_month" in stay.has or scene.chance(4) else "guided"
    if "planned" in stay.has:
        yield Deed("plan", 0.3, partial(_plan_ahead, scene, key="demo"))
    yield from _meeting(scene, "demo", words.DEMO_NOTES, words.DEMO_DECISIONS)
    attendees = scene.say(words.AUDIENCES)
    yield Deed("kind", 0.2, partial(_fill_kind, scene, kind=kind))
    verdict = {"demo_attendees": attendees, "demo_verdict": scene.say(words.VERDICTS)}
    yield Deed("verdict", 0.6, partial(_fill, scene, values=verdict))
    yield Deed("recording", 0.7, partial(_finish_tasks, scene, keys=("send_recording", None)))


def _negotiation(scene: Scene, stay: Stay, following: str | None) -> Iterator[Deed]:
    discount = 25 if "deep_discount" in stay.has else 20 if "big_discount" in stay.has else None
    asks = discount is not None
    if discount is None:
        asks = following == "subscription_request" and scene.chance(4)
        discount = 20 if asks else scene.random.choice((0, 0, 5, 10, 15))
    support = "full" if "full_migration" in stay.has else scene.random.choice(("data_only", "guided", "full"))
    yield Deed("terms", 0.2, partial(_agree, scene, discount=discount, support=support))
    if asks:
        yield Deed("terms", 0.3, partial(_ask_approval, scene))
        if "pending" not in stay.has:
            decision = "rejected" if "rejected" in stay.has else "approved"
            yield Deed("terms", 0.45, partial(_decide, scene, decision=decision))
    yield Deed("terms_sheet", 0.6, partial(_attach_terms, scene))
    if "price_changed" in stay.has:
        yield Deed("price", 0.8, partial(_lower_price, scene))
    if "waived" in stay.has:
        yield Deed("waive", 0.8, partial(_waive, scene, type_="evidence"))


def _request(scene: Scene, stay: Stay, _following: str | None) -> Iterator[Deed]:
    yield Deed("signed", 0.88, partial(_answer_as_client, scene))
    for word in ("opened", "stuck", "declined"):
        if word in stay.has:
            yield Deed(word, 0.5, partial(_answer_as_client, scene, how=word))


def _subscribed(scene: Scene, stay: Stay, _following: str | None) -> Iterator[Deed]:
    items = ["terms", "people", "dates", "risks"]
    if "half" in stay.has:
        yield Deed("half", 0.4, partial(_tick, scene, checklist="handover", items=items[:2]))
    yield Deed("handover", 0.4, partial(_tick, scene, checklist="handover", items=items))
    finance = scene.stage.staff["pilar.robles"]
    yield Deed("record", 0.5, partial(_finish_tasks, scene, keys=("customer_record",), by=finance))
    yield Deed("introduce", 0.8, partial(_finish_tasks, scene, keys=("introduce_delivery",)))
    if "returned" in stay.has:
        yield Deed("returned", 0.6, partial(_answer_handoff, scene, accepts=False))
    else:
        yield Deed("accepted", 0.6, partial(_answer_handoff, scene, accepts=True))


_AUTHORS: dict[str, Callable[[Scene, Stay, str | None], Iterator[Deed]]] = {
    "sourced": _sourced,
    "verified": _verified,
    "engaged": _engaged,
    "demo_conducted": _demo,
    "negotiation": _negotiation,
    "subscription_request": _request,
    "subscribed": _subscribed,
}


def _waiting(scene: Scene, stay: Stay) -> Iterator[Deed]:
    # In a client gate the clock stops and runs by itself.
    if stay.stage == "subscription_request":
        return
    lasts = "waiting" in stay.has
    passed = "waited" in stay.has
    if lasts or passed:
        reason = words.WAITING_FOR[stay.stage]
        yield Deed("wait", 0.3, lambda subject: start_waiting(subject, scene.owner, reason))
    if passed:
        yield Deed("go on", 0.82, lambda subject: stop_waiting(subject, scene.owner))


def _next_action(scene: Scene, stay: Stay) -> Iterator[Deed]:
    office, at = scene.stage.office, scene.stage.at
    text = scene.say(words.NEXT_ACTIONS[stay.stage])
    if "overdue" in stay.has:
        due = office.before(at, scene.random.uniform(1, 7))
    elif stay.hours < 5:
        return
    else:
        due = office.after(at, scene.random.choice((2, 5, 9, 14, 22, 31)))
    person = scene.owner.user_id
    assert person is not None
    setting = partial(edit.set_next_action, actor=scene.owner, text=text, due_at=due, assignee_id=person)
    yield Deed("next", 0.5 if "overdue" in stay.has else 0.9, setting)


# --- how each is done ---


def _fill_kind(scene: Scene, subject: Subject, *, kind: str) -> None:
    ends = {"demo_until": (now() + timedelta(days=30)).date().isoformat()} if kind == "free_month" else {}
    _fill(scene, subject, values={"demo_kind": kind, **ends})


def _fill(scene: Scene, subject: Subject, *, values: dict[str, Any]) -> None:
    edit.set_fields(subject, edit.read_fields(subject, values), scene.owner)


def _comment(subject: Subject, writer: Actor, body: str) -> None:
    edit.add_comment(subject, writer, body)


def _tick(scene: Scene, subject: Subject, *, checklist: str, items: list[str]) -> None:
    proofs.tick_items(subject, scene.owner, checklist, items, items)


def _finish_tasks(
    scene: Scene, subject: Subject, *, keys: tuple[str | None, ...], by: Actor | None = None
) -> None:
    for task in tasks_by_card([subject.id]).get(subject.id, []):
        if task.key in keys and task.done_at is None and task.cancelled_at is None:
            proofs.complete_task(subject, by or scene.owner, task.id, done=True)


def _prove(
    scene: Scene,
    subject: Subject,
    *,
    key: str,
    kind: str,
    title: str,
    url: str | None = None,
    note: str | None = None,
    medium: str | None = None,
    outcome: str | None = None,
) -> None:
    proofs.attach_proof(
        subject,
        scene.owner,
        key=key,
        kind=kind,
        title=title,
        file_id=None,
        url=url,
        note=note,
        happened_at=now() - timedelta(minutes=scene.random.randrange(3, 25)) if kind == "talk" else None,
        medium=medium,
        outcome=outcome,
    )


def _attach_paper(scene: Scene, subject: Subject, key: str, title: str, lines: list[str]) -> None:
    stored = keep_file(f"{title} {scene.provider.domain}.pdf", make_paper(title, lines), scene.owner)
    proofs.attach_proof(
        subject,
        scene.owner,
        key=key,
        kind="file",
        title=title,
        file_id=stored.id,
        url=None,
        note=None,
        happened_at=None,
        medium=None,
        outcome=None,
    )


def _terms(scene: Scene, subject: Subject) -> list[str]:
    discount, price = subject.value("discount_percent"), subject.value("price")
    go_live = subject.value("promised_go_live")
    return [
        f"Between WISPGate and {scene.provider.name}, {scene.provider.city}",
        f"Plan: {scene.plan.capitalize()}, for {scene.provider.size} subscribers",
        f"Price a month: {price} EUR, discount {discount} % included",
        f"Promised go-live: {go_live}",
    ]


def _attach_terms(scene: Scene, subject: Subject) -> None:
    _attach_paper(scene, subject, "terms_sheet", "Terms", _terms(scene, subject))


def _answer_as_client(scene: Scene, subject: Subject, *, how: str = "signed") -> None:
    """Let the client do something with what they were asked, from their link."""
    request = find_open_request(subject.id, "accept_subscription")
    if request is None or request.contact_id is None or request.status == "accepted":
        return
    if how == "signed":
        answer_as_client(Walker(scene.random, {}), subject, request)
        return
    held = hold_as_client(subject, request)
    answer.open_request(held)
    if how == "stuck":
        answer.say_stuck(
            held, "Our bank wants the contract in its own name first. Whom do I talk to about that?"
        )
    elif how == "declined":
        answer.decline_request(held, "The price is not the one we spoke of on the phone.")
    subject.card.client_status = request.status


def _answer_handoff(scene: Scene, subject: Subject, *, accepts: bool) -> None:
    """Let Delivery accept what was handed over, or return it."""
    receiver = scene.stage.staff["tomasz.lis"]
    for handoff in handoffs_by_card([subject.id]).get(subject.id, []):
        if handoff.from_card_id != subject.id or handoff.state != "offered":
            continue
        if accepts:
            accept_handoff(handoff.id, receiver)
        else:
            return_handoff(
                handoff.id, receiver, "The set-up scope names no gateway, and the contact does not answer."
            )


def _agree(scene: Scene, subject: Subject, *, discount: int, support: str) -> None:
    price = Decimal(scene.list_price * (100 - discount) // 100)
    _fill(
        scene,
        subject,
        values={
            "plan": scene.plan,
            "price": str(price),
            "discount_percent": str(discount),
            "setup_scope": scene.say(words.SCOPES),
            "migration_support": support,
            "integrations": scene.say(words.INTEGRATIONS),
            "promised_go_live": (now() + timedelta(days=scene.random.randrange(40, 110))).date().isoformat(),
        },
    )
    _set_value(scene, subject, price * 12)


def _set_value(scene: Scene, subject: Subject, amount: Decimal) -> None:
    card = subject.card
    edit.edit_details(
        subject,
        scene.owner,
        title=card.title,
        value_amount=amount,
        value_currency="EUR",
        contact_id=card.contact_id,
        owner_id=card.owner_id,
    )


def _lower_price(scene: Scene, subject: Subject) -> None:
    price = Decimal(subject.value("price")) - 20
    _fill(scene, subject, values={"price": str(price)})
    _set_value(scene, subject, price * 12)


def _ask_approval(scene: Scene, subject: Subject) -> None:
    check = next(check for check in subject.stage.leave if check.type == "approval")
    proofs.ask_approval(subject, scene.owner, check.key, scene.say(words.APPROVAL_NOTES))


def _decide(scene: Scene, subject: Subject, *, decision: str) -> None:
    request = approvals_by_card([subject.id])[subject.id][_APPROVAL].request
    note = words.REJECTED if decision == "rejected" else scene.random.choice(words.APPROVED)
    proofs.decide_approval(subject, scene.manager, request.id, decision, note or "")


def _waive(scene: Scene, subject: Subject, *, type_: str) -> None:
    check = next(check for check in subject.stage.leave if check.type == type_ and check.waive)
    following = subject.pipeline.path[subject.stage.position + 1].key
    waive_check(subject, scene.manager, following, check.key, words.WAIVERS[type_])


def _meeting(scene: Scene, key: str, notes: tuple[str, ...], decisions: tuple[str, ...]) -> Iterator[Deed]:
    yield Deed("meeting", 0.25, partial(_plan, scene, key=key))
    yield Deed(
        "meeting", 0.55, partial(_hold, scene, key=key, notes=scene.say(notes), decided=scene.say(decisions))
    )


def _plan(scene: Scene, subject: Subject, *, key: str) -> None:
    _plan_at(scene, subject, key, scene.stage.office.after(now(), 7))


def _plan_ahead(scene: Scene, subject: Subject, *, key: str) -> None:
    _plan_at(scene, subject, key, scene.stage.office.after(scene.stage.at, scene.random.choice((6, 11, 14))))


def _plan_at(scene: Scene, subject: Subject, key: str, starts_at: Any) -> None:
    on_the_hour = starts_at.replace(minute=0, second=0, microsecond=0)
    attendees = f"{scene.owner.name}, Tomasz Lis" if key == "demo" else scene.owner.name
    proofs.plan_meeting(
        subject,
        scene.owner,
        key,
        starts_at=scene.stage.office.within(on_the_hour),
        our_attendees=attendees,
        client_attendees=scene.contact,
    )


def _hold(scene: Scene, subject: Subject, *, key: str, notes: str, decided: str) -> None:
    planned = [
        m for m in meetings_by_card([subject.id]).get(subject.id, []) if m.key == key and not m.held_at
    ]
    tasks = words.DEMO_TASKS if key == "demo" else words.QUALIFICATION_TASKS
    proofs.hold_meeting(
        subject,
        scene.owner,
        planned[-1].id,
        held_at=now() - timedelta(minutes=35),
        notes=notes,
        decisions=decided,
        outcomes=scene.say(tasks),
        our_attendees="",
        client_attendees="",
    )
