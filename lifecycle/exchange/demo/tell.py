"""Telling one story: the card is made, moved and worked on, each thing at its moment."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from lifecycle.core.clock import pretending
from lifecycle.exchange.demo import words
from lifecycle.exchange.demo.deeds import Deed, deeds_of
from lifecycle.exchange.demo.plan import Stay
from lifecycle.exchange.demo.scene import Scene
from lifecycle.governance.automation.perform import perform_here
from lifecycle.governance.cards.change import changing_card
from lifecycle.governance.cards.edit import add_comment
from lifecycle.governance.cards.subjects import get_subject
from lifecycle.governance.moves.create import create_card
from lifecycle.governance.moves.move import move_card
from lifecycle.governance.moves.outcome import Blocked, Moved
from lifecycle.governance.moves.undo import undo_move
from lifecycle.records.cards.models import Card
from lifecycle.records.people.actor import Actor

PIPELINE = "wispgate.growth"
_CHANNELS = ("board", "board", "board", "board", "page", "menu", "keyboard")
# Where somebody sometimes tries to go on before anything is ready.
_TRIED = ("verified", "engaged", "negotiation", "subscription_request")
# What stays on the card is done once, however often it comes by.
_ONCE = frozenset({"contact", "checklist", "meeting", "qualified", "decision", "demo_ready", "verdict"})


class StoryBroken(RuntimeError):
    """The playbook did not let a story go on as planned; it says which, where and why."""


class Teller:
    """Tells the story of a scene, in one transaction, or in two if a move of it is undone."""

    def __init__(self, scene: Scene, account_id: uuid.UUID, told: Card | None = None) -> None:
        self._scene = scene
        self._story = scene.story
        self._account_id = account_id
        self._card_id = told.id if told else uuid.UUID(int=0)
        self._visit = told.visit_id if told else 0
        self._last = datetime.min.replace(tzinfo=scene.stage.at.tzinfo)
        self._is_resumed = told is not None
        self._done: set[str] = set()

    def tell(self) -> Iterator[None]:
        """Tell the story in the caller's transactions: whenever it yields, the open one must be committed.

        Raises:
            StoryBroken: a move was not possible.
        """
        if not self._is_resumed:
            self._create()
        for index, stay in enumerate(self._story.stays):
            following = self._following(index)
            if not self._is_resumed:
                self._live(index, stay, following)
            if "undo" in stay.has and following:
                if not self._is_resumed:
                    # What follows from a move that is taken back a moment later does not follow.
                    self._go(following, self._moment(index, 0.93), self._scene.owner, performs=False)
                    # An undo looks its move up in the evidence, which is written when this commits.
                    yield
                self._undo()
                self._is_resumed = False
            if following and not self._is_resumed:
                self._leave(index, stay, following)
        if not self._story.is_open and self._scene.chance(4):
            self._look_back()

    # --- moments ---

    def _following(self, index: int) -> str | None:
        stays = self._story.stays
        return stays[index + 1].stage if index + 1 < len(stays) else None

    def _ends(self, index: int) -> datetime:
        begins = self._story.begins
        return begins[index + 1] if index + 1 < len(begins) else self._story.ends_at

    def _moment(self, index: int, share: float) -> datetime:
        """Return when `share` of a stay is over, never before what was told last."""
        begins, hours = self._story.begins[index], self._story.stays[index].hours
        office = self._scene.stage.office
        moment = office.after(begins, hours * share) if share else begins
        self._last = max(moment, self._last) + timedelta(seconds=self._scene.random.randrange(4, 50))
        return min(self._last, self._scene.stage.at)

    # --- what happens ---

    def _create(self) -> None:
        scene, first = self._scene, self._story.stays[0]
        returning = self._story.turn > 0 and not self._story.is_customer
        source = "returning" if returning else scene.random.choice(words.SOURCES)
        with pretending(self._moment(0, 0.0)):
            card = create_card(
                PIPELINE,
                actor=scene.finder,
                channel="board",
                account_id=self._account_id,
                title=scene.title,
                value_amount=scene.estimate,
                value_currency="EUR",
                owner_id=scene.finder.user_id,
                contact_id=scene.contact_id,
                fields={} if "source" in first.lacks else {"source": source},
            )
        self._card_id, self._visit = card.id, card.visit_id

    def _live(self, index: int, stay: Stay, following: str | None) -> None:
        if stay.is_closed:
            return
        deeds = [deed for deed in self._deeds(stay, following) if self._is_new(stay, deed)]
        if self._is_tried(index, following):
            self._knock(following or "", self._moment(index, 0.06))
        if not deeds:
            return
        moments = [self._moment(index, deed.after) for deed in deeds]
        with pretending(moments[-1]), changing_card(self._card_id, self._scene.owner) as subject:
            for deed, moment in zip(deeds, moments, strict=True):
                with pretending(moment):
                    deed.do(replace(subject, now=moment))

    def _deeds(self, stay: Stay, following: str | None) -> list[Deed]:
        deeds = deeds_of(self._scene, stay, following)
        if following != "closed_lost" or stay.stage.startswith("follow_up"):
            return deeds
        # What is given up is left half done.
        return [deed for deed in deeds if deed.after < 0.5 or deed.name in ("outreach", "meeting")]

    def _is_new(self, stay: Stay, deed: Deed) -> bool:
        """Say whether a deed is still to be done."""
        name = f"{stay.stage}/{deed.name}/{deed.after}"
        is_new = name not in self._done
        if deed.name in _ONCE:
            self._done.add(name)
        return is_new

    def _is_tried(self, index: int, following: str | None) -> bool:
        stages = [stay.stage for stay in self._story.stays]
        goes_on = following is not None and following in stages[index:] and not following.startswith("closed")
        is_first = stages[index] not in stages[:index] and stages[index] in _TRIED
        return goes_on and is_first and following != "verified" and self._scene.chance(7)

    def _knock(self, following: str, moment: datetime) -> None:
        """Try to move before anything is ready: it is refused, and the attempt is on record."""
        with pretending(moment):
            outcome = move_card(
                self._card_id, following, actor=self._scene.owner, channel="board", seen_visit=self._visit
            )
        if not isinstance(outcome, Blocked):
            raise StoryBroken(f"Story {self._story.number} should not have reached {following} so soon.")

    def _leave(self, index: int, stay: Stay, following: str) -> None:
        moment = max(self._ends(index), self._last + timedelta(seconds=11))
        self._last = moment
        scene = self._scene
        if self._moved_by_itself(following, moment):
            return
        if stay.stage == "closed_lost":
            self._go(following, moment, scene.manager, answers={"why": words.WHYS["reopen"]})
        elif following == "closed_lost":
            reason = self._story.reason or "no_response"
            answers = {"reason": reason, "note": scene.random.choice(words.LOST_NOTES[reason])}
            self._go(following, moment, scene.owner, answers=answers)
        elif following == "closed_won":
            self._go(
                following, moment, scene.owner, answers={"because": scene.random.choice(words.WON_BECAUSE)}
            )
        elif stay.stage.startswith("follow_up") and following == "verified":
            reason = scene.random.choice(words.OVERRIDE_REASONS)
            self._go(following, moment, scene.manager, reason=reason, override=True)
        elif following == "verified" and stay.stage != "sourced":
            resume_on = (moment + timedelta(days=24)).date().isoformat()
            self._go(
                following, moment, scene.owner, answers={"resume_on": resume_on, "why": words.WHYS["nurture"]}
            )
        else:
            self._go(following, moment, scene.owner, answers={"why": words.WHYS.get(following, "")})

    def _moved_by_itself(self, following: str, moment: datetime) -> bool:
        """Perform what the stay has set off, and say whether that moved the card on already."""
        with pretending(moment):
            perform_here(self._card_id)
            subject = get_subject(self._card_id)
        self._visit = subject.card.visit_id
        return subject.stage.key == following

    def _go(
        self,
        to_stage: str,
        moment: datetime,
        actor: Actor,
        *,
        answers: dict[str, str] | None = None,
        reason: str = "",
        override: bool = False,
        performs: bool = True,
    ) -> None:
        with pretending(moment):
            outcome = move_card(
                self._card_id,
                to_stage,
                actor=actor,
                channel=self._scene.random.choice(_CHANNELS),
                seen_visit=self._visit,
                answers=answers or {},
                reason=reason,
                override=override,
            )
        if not isinstance(outcome, Moved):
            why = " ".join(outcome.sentences) if isinstance(outcome, Blocked) else outcome.sentence
            raise StoryBroken(f"Story {self._story.number} cannot go to {to_stage} at {moment}: {why}")
        self._visit = outcome.visit_id
        if performs:
            with pretending(moment):
                perform_here(self._card_id)

    def _undo(self) -> None:
        with pretending(self._last + timedelta(seconds=24)):
            card = undo_move(self._card_id, self._visit, actor=self._scene.owner, channel="board")
        self._last += timedelta(seconds=24)
        self._visit = card.visit_id

    def _look_back(self) -> None:
        """Say something about a card after it was closed."""
        moment = min(self._last + timedelta(hours=1), self._scene.stage.at)
        text = "Worth a case study." if self._story.was_won else "Put them on the list for next year."
        scene = self._scene
        with (
            pretending(moment),
            changing_card(
                self._card_id, scene.manager, permission="comments.write", allow_closed=True
            ) as subject,
        ):
            add_comment(subject, scene.manager, text)
