"""What happens in the demo: every card's way through the stages, decided before anything is written.

The same seed gives the same plan; only its moments follow the day it is made on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from lifecycle.exchange.demo.places import Provider
from lifecycle.exchange.demo.times import OfficeHours

SEED = 20_260_503

# Office hours that a stage usually takes: shortest, longest, most often.
_STAYS = {
    "sourced": (1.0, 8.0, 3.0),
    "verified": (2.0, 8.4, 5.0),
    "outreach_sent": (4.0, 17.0, 10.0),
    "follow_up_1": (9.2, 24.0, 12.0),
    "follow_up_2": (9.2, 25.0, 14.0),
    "follow_up_3": (10.0, 40.0, 20.0),
    "engaged": (9.0, 42.0, 24.0),
    "demo_conducted": (18.0, 84.0, 40.0),
    "negotiation": (17.0, 84.0, 40.0),
    "subscription_request": (6.0, 42.0, 18.0),
    "subscribed": (5.0, 16.0, 9.0),
    "closed_lost": (250.0, 420.0, 300.0),
}
_LATE_ONE_IN = 11
_KEPT_FOR_OPEN = 33
_FIRST = ("sourced", "verified", "outreach_sent")
_LAST = ("engaged", "demo_conducted", "negotiation", "subscription_request", "subscribed")
_FOLLOW_UPS = ("follow_up_1", "follow_up_2", "follow_up_3")


@dataclass(frozen=True)
class Stay:
    """A stay in a stage. `lacks` names deeds left undone, `has` those that not every card has."""

    stage: str
    hours: float
    lacks: frozenset[str] = frozenset()
    has: frozenset[str] = frozenset()

    @property
    def is_closed(self) -> bool:
        """Whether the card rests here."""
        return self.stage in ("closed_won", "closed_lost")


@dataclass(frozen=True)
class Story:
    """One card: its stays with the moment each begins, until `ends_at`.

    The last stay of an open card lasts until now. `reason` is why it was lost, if it was. `turn` counts the
    provider's stories before it, and `is_customer` says whether one of them was won.
    """

    number: int
    stays: tuple[Stay, ...]
    ends_at: datetime
    reason: str | None = None
    begins: tuple[datetime, ...] = ()
    provider: Provider | None = None
    turn: int = 0
    is_customer: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the card is still on its way."""
        return not self.stays[-1].is_closed

    @property
    def was_won(self) -> bool:
        """Whether it ended with a customer."""
        return self.stays[-1].stage == "closed_won"


# Open cards: stage, office hours since they came, what is undone, what else they have. After `<` come the
# stages on the way when they are not the usual ones; $ stands for the first three, $$ for those to the terms.
_OPEN = """
sourced 1.2 lacks source,fit,lead_record
sourced 2.6 lacks fit,lead_record
sourced 3.4 lacks lead_record
sourced 5.6
sourced 4.9 lacks fit
sourced 11.5 lacks fit,lead_record has overdue
verified 0.8 lacks contact,checklist,hook
verified 2.9 lacks checklist has half
verified 5.7
verified 33 has waiting,nurtured < $ engaged verified
verified 3.6 < $ follow_up_1 follow_up_2 follow_up_3 closed_lost verified
verified 14 lacks checklist has half,overdue
outreach_sent 2.2 lacks outreach
outreach_sent 6.1 has no_answer
outreach_sent 9.3 has replied
outreach_sent 14.6 lacks outreach
outreach_sent 22 lacks outreach has overdue
outreach_sent 7.4 has call_later
follow_up_1 4.2 has no_answer
follow_up_1 6.6 has no_answer,waived
follow_up_1 12.3 has no_answer
follow_up_1 5.2 lacks talk
follow_up_2 3.1 has no_answer
follow_up_2 15.4 has no_answer
follow_up_2 23 lacks talk
follow_up_2 28 lacks talk has overdue
follow_up_3 17 has no_answer
follow_up_3 5.4 lacks talk
follow_up_3 39.6 lacks talk
engaged 7.5 lacks qualified,meeting,demo_ready has planned
engaged 19 lacks demo_ready
engaged 26
engaged 31 lacks qualified,meeting,demo_ready has waiting < $ follow_up_1 engaged
engaged 24 lacks decision,meeting,demo_ready has overdue
demo_conducted 12 lacks verdict,meeting,recording has planned
demo_conducted 34 lacks recording
demo_conducted 58 lacks verdict
demo_conducted 20 lacks verdict,meeting,recording has waiting,free_month
negotiation 16 has big_discount,pending
negotiation 41 has big_discount,approved
negotiation 29 has big_discount,rejected
negotiation 55 has big_discount,approved,price_changed
negotiation 37 has deep_discount,approved,full_migration
negotiation 47 lacks terms_sheet has waived
negotiation 8 lacks terms,terms_sheet < $ engaged demo_conducted negotiation demo_conducted negotiation
subscription_request 21 lacks signed has opened
subscription_request 13 lacks signed has stuck
subscription_request 50 lacks signed has overdue
subscription_request 9 lacks signed has declined
subscription_request 6 lacks signed < $ $$ subscription_request negotiation subscription_request
subscribed 3.5 lacks record,introduce,handover,accepted has half
subscribed 7.5 lacks introduce has returned
subscribed 12
"""

# Lost cards: the stage they were lost in, how many follow-ups they had, why, and how many of the kind.
_LOST = (
    ("sourced", 0, "bad_fit", 2),
    ("verified", 0, "bad_fit", 2),
    ("verified", 0, "out_of_business", 1),
    ("outreach_sent", 0, "stays_put", 2),
    ("follow_up_1", 1, "stays_put", 2),
    ("follow_up_2", 2, "no_budget", 1),
    ("follow_up_3", 3, "no_response", 9),
    ("engaged", 1, "no_budget", 3),
    ("engaged", 0, "stays_put", 2),
    ("engaged", 2, "bad_fit", 1),
    ("demo_conducted", 0, "missing_feature", 3),
    ("demo_conducted", 1, "competitor", 2),
    ("demo_conducted", 2, "stays_put", 1),
    ("negotiation", 0, "price", 4),
    ("negotiation", 1, "competitor", 2),
    ("subscription_request", 0, "no_budget", 1),
    ("subscription_request", 1, "out_of_business", 1),
)
_WON = 21
# What happened on the way of some closed cards, by how often.
_TURNS = {
    "undo": 4,
    "override": 3,
    "waive_time": 2,
    "waive_terms": 2,
    "revise_terms": 2,
    "revise_demo": 2,
    "reopen": 3,
    "nurture": 2,
}


def make_plan(at: datetime, office: OfficeHours, providers: Sequence[Provider]) -> list[Story]:
    """Return every card's story, in the order they begin, each with its provider and its moments."""
    random_ = random.Random(SEED)  # noqa: S311 - a story, not a secret
    stories = [_timed(story, office) for story in _open_stories(at, random_)]
    stories += [_timed(story, office) for story in _closed_stories(at, office, random_)]
    return _given_providers(sorted(stories, key=lambda story: story.begins[0]), providers, random_)


def _timed(story: Story, office: OfficeHours) -> Story:
    # To the minute, as the way forward is counted: the last stay must not begin after the end.
    start = office.before(story.ends_at, round(sum(stay.hours for stay in story.stays) * 60) / 60)
    begins, hours = [], 0.0
    for stay in story.stays:
        begins.append(office.after(start, hours) if hours else start)
        hours += stay.hours
    return replace(story, begins=tuple(begins))


def _given_providers(
    stories: Sequence[Story], providers: Sequence[Provider], random_: random.Random
) -> list[Story]:
    """Give each story a provider that has no other going on at the time, those with fewest first.

    Some providers are kept for open cards: most of what is on the board should be somebody's first.
    """
    order = list(providers)
    random_.shuffle(order)
    kept = {provider.name for provider in order[:_KEPT_FOR_OPEN]}
    told: dict[str, list[Story]] = {provider.name: [] for provider in order}
    found = []
    for story in stories:
        free = [
            each
            for each in order
            if (story.is_open or each.name not in kept)
            and all(earlier.ends_at < story.begins[0] for earlier in told[each.name])
        ]
        provider = min(free, key=lambda each: len(told[each.name]))
        own = told[provider.name]
        given = replace(story, provider=provider, turn=len(own), is_customer=any(e.was_won for e in own))
        own.append(given)
        found.append(given)
    return found


# --- open cards ---


def _open_stories(at: datetime, random_: random.Random) -> Iterator[Story]:
    for number, line in enumerate(_OPEN.strip().splitlines(), 1):
        told, _, way = line.partition("<")
        stage, hours, *rest = told.split()
        words = dict(zip(rest[::2], rest[1::2], strict=True))
        lacks, has = (frozenset(words.get(key, "").split(",")) - {""} for key in ("lacks", "has"))
        way = way.replace("$$", " ".join(_LAST[:3])).replace("$", " ".join(_FIRST))
        stages = way.split() or [*_way_to(stage, random_.choice((0, 0, 1, 1, 2, 3))), stage]
        before = [
            _unfinished(_stay(each, random_)) if _is_back(each, following) else _stay(each, random_)
            for each, following in pairwise(stages)
        ]
        yield Story(number, (*before, Stay(stage, float(hours), lacks, has)), at)


def _is_back(stage: str, following: str) -> bool:
    """Say whether the way from one stage to the other leads back."""
    order = (*_FIRST, *_FOLLOW_UPS, *_LAST, "closed_lost")
    return order.index(following) < order.index(stage)


def _unfinished(stay: Stay) -> Stay:
    """Return the stay without what would have let the card go on."""
    return replace(stay, lacks=frozenset({"signed", "terms", "terms_sheet"}))


def _way_to(stage: str, follow_ups: int) -> list[str]:
    """Return the stages before `stage`, with as many follow-ups as it took to get an answer."""
    if stage in _FIRST:
        return list(_FIRST[: _FIRST.index(stage)])
    if stage in _FOLLOW_UPS:
        return [*_FIRST, *_FOLLOW_UPS[: _FOLLOW_UPS.index(stage)]]
    return [*_FIRST, *_FOLLOW_UPS[:follow_ups], *_LAST[: _LAST.index(stage)]]


def _stay(stage: str, random_: random.Random, *has: str) -> Stay:
    hours = random_.triangular(*_STAYS[stage])
    if random_.randrange(_LATE_ONE_IN) == 0 and stage != "closed_lost":
        hours *= 1.9
    return Stay(stage, round(hours, 2), has=frozenset(has))


# --- closed cards ---


def _closed_stories(at: datetime, office: OfficeHours, random_: random.Random) -> Iterator[Story]:
    endings: list[tuple[str, int, str | None]] = [
        (stage, follow_ups, reason) for stage, follow_ups, reason, times in _LOST for _ in range(times)
    ]
    endings += [("subscribed", random_.choice((0, 0, 1, 1, 2, 3)), None) for _ in range(_WON)]
    random_.shuffle(endings)
    turns = _spread_turns(endings, random_)
    for index, (stage, follow_ups, reason) in enumerate(endings):
        # A little more of it lately: the team grows.
        back = 355 * (1 - (index + random_.random()) / len(endings)) ** 1.15 + 1.2
        closed_at = office.before(at - timedelta(days=back), random_.uniform(0.3, 7))
        stays = [_stay(each, random_) for each in [*_way_to(stage, follow_ups), stage]]
        stays = _with_turn(stays, turns.get(index, ""), random_)
        last = Stay("closed_lost" if reason else "closed_won", 0.0)
        yield Story(101 + index, (*stays, last), closed_at, reason)


def _spread_turns(endings: Sequence[tuple[str, int, str | None]], random_: random.Random) -> dict[int, str]:
    """Choose which closed card took which turn; each takes one at most, and one its way allows."""
    found: dict[int, str] = {}
    for turn, times in _TURNS.items():
        fitting = [
            index
            for index, (stage, follow_ups, reason) in enumerate(endings)
            if index not in found and _allows(turn, stage, follow_ups, reason, index)
        ]
        found |= dict.fromkeys(random_.sample(fitting, times), turn)
    return found


def _allows(turn: str, stage: str, follow_ups: int, reason: str | None, index: int) -> bool:
    past_negotiation = stage in ("subscription_request", "subscribed")
    return {
        "undo": stage != "sourced",
        "override": follow_ups >= 1 and stage in _LAST,
        "waive_time": follow_ups == 2 and stage in _LAST,
        "waive_terms": past_negotiation,
        "revise_terms": past_negotiation,
        "revise_demo": stage == "negotiation" or past_negotiation,
        # Lost months ago, so that there is a year to come back in.
        "reopen": reason is None and index > 15,
        "nurture": reason is None and index > 10,
    }[turn]


def _with_turn(stays: list[Stay], turn: str, random_: random.Random) -> list[Stay]:
    """Return the stays with a turn of fortune put in."""
    stages = [stay.stage for stay in stays]
    found = stays
    match turn:
        case "undo":
            places = [place for place, name in enumerate(stages[:-1]) if name not in _FOLLOW_UPS]
            found = _marked(stays, random_.choice(places), "undo")
        case "override":
            place = stages.index("follow_up_1") + 1
            detour = [_stay(each, random_) for each in ("verified", "outreach_sent", "follow_up_1")]
            found = stays[:place] + detour + stays[place:]
        case "waive_time":
            place = stages.index("follow_up_1")
            stays = [*stays[:place], replace(stays[place], hours=5.0), *stays[place + 1 :]]
            found = _marked(stays, place, "waived")
        case "waive_terms":
            place = stages.index("negotiation")
            lacking = replace(stays[place], lacks=frozenset({"terms_sheet"}))
            found = _marked([*stays[:place], lacking, *stays[place + 1 :]], place, "waived")
        case "revise_terms":
            place = stages.index("subscription_request")
            again = _stay("negotiation", random_)
            found = [*stays[:place], _unfinished(stays[place]), again, *stays[place:]]
        case "revise_demo":
            place = stages.index("negotiation")
            again = _stay("demo_conducted", random_)
            found = [*stays[:place], _unfinished(stays[place]), again, *stays[place:]]
        case "reopen":
            lost = [_stay(each, random_) for each in (*_FIRST, *_FOLLOW_UPS, "closed_lost")]
            found = lost + stays[1:]
        case "nurture":
            place = stages.index("engaged")
            pause = replace(_stay("verified", random_), hours=180.0, has=frozenset({"nurtured", "waited"}))
            again = _stay("outreach_sent", random_, "replied")
            found = [*stays[: place + 1], pause, again, *stays[place:]]
    return found


def _marked(stays: list[Stay], place: int, word: str) -> list[Stay]:
    marked = replace(stays[place], has=stays[place].has | {word})
    return [*stays[:place], marked, *stays[place + 1 :]]
