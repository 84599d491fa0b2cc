"""One card's scene: who takes part, and what they know and say about it."""

from __future__ import annotations

import random
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from lifecycle.exchange.demo import words
from lifecycle.exchange.demo.places import Provider, person_name
from lifecycle.exchange.demo.plan import SEED, Story
from lifecycle.exchange.demo.staff import OWNERS
from lifecycle.exchange.demo.times import OfficeHours
from lifecycle.records.people.actor import Actor

# Largest number of subscribers, plan, list price a month and for each subscriber.
_PLANS = ((1_000, "starter", 120, 0.08), (5_000, "professional", 250, 0.09), (20_000, "scale", 450, 0.07))
_NETWORKS = {
    "fibre": ("gpon", "pppoe"),
    "fixed_wireless": ("pppoe", "hotspot"),
    "mixed": ("gpon", "pppoe", "dhcp"),
}


@dataclass(frozen=True)
class Stage:
    """Where all stories are told: the office's hours, who works there, and the present."""

    office: OfficeHours
    staff: dict[str, Actor]
    at: datetime


class Scene:
    """What one story is told with; its choices follow from the seed and the story's number."""

    def __init__(self, stage: Stage, story: Story, account_number: int) -> None:
        assert story.provider is not None
        self.stage = stage
        self.story = story
        self.provider: Provider = story.provider
        self.random = random.Random(f"{SEED}/{story.number}")  # noqa: S311 - a story, not a secret
        self.owner = stage.staff[OWNERS[account_number % len(OWNERS)]]
        self.contact = person_name(self.provider.country, account_number * 2 + story.turn)
        self.system = words.SYSTEMS[account_number % len(words.SYSTEMS)]
        if story.is_customer:
            self.system = words.OUR_OWN
        self.pain = words.PAINS[account_number % len(words.PAINS)]
        self.title = self._title(account_number)
        self.contact_id: uuid.UUID | None = None

    @property
    def manager(self) -> Actor:
        """Who approves, waives and overrides: never the one who asks."""
        return self.stage.staff["manager" if self.owner.role != "manager" else "admin"]

    @property
    def finder(self) -> Actor:
        """Who put the card on the board: often not the one who goes on with it."""
        return self.owner if self.story.number % 5 > 1 else self.stage.staff["jonas.keller"]

    @property
    def plan(self) -> str:
        """The plan that fits their size."""
        return self._offer()[0]

    @property
    def list_price(self) -> int:
        """The plan's price a month, in EUR, a little different for each."""
        return self._offer()[1]

    @property
    def estimate(self) -> Decimal:
        """What a year is thought to bring before terms are known."""
        return Decimal(round(self.list_price * 12, -2))

    @property
    def networks(self) -> tuple[str, ...]:
        """What their network is built on."""
        return _NETWORKS.get(self.provider.segment, ("static_ip", "dhcp"))

    @property
    def contact_email(self) -> str:
        """The contact's address at their provider."""
        return email_of(self.contact, self.provider)

    def say(self, choices: Sequence[str]) -> str:
        """Return one of `choices`, about this card."""
        return self.fill_in(self.random.choice(choices))

    def fill_in(self, text: str) -> str:
        """Return `text` with the words of this card."""
        return text.format(
            contact=self.contact,
            owner=self.owner.name,
            city=self.provider.city,
            size=self.provider.size,
            system=self.system,
            pain=self.pain,
        )

    def chance(self, one_in: int) -> bool:
        """Return true once in `one_in` times."""
        return self.random.randrange(one_in) == 0

    def _title(self, account_number: int) -> str:
        own: tuple[str, ...] = words.FIRST_TITLES
        built: Mapping[str, tuple[str, ...]] = words.FIRST_TITLES_BY_SEGMENT
        if self.story.is_customer:
            own, built = words.LATER_TITLES, words.LATER_TITLES_BY_SEGMENT
        titles = (*built.get(self.provider.segment, ()), *own)
        if self.story.turn and not self.story.is_customer and account_number % 3 == 0:
            titles = words.AGAIN_TITLES
        return self.fill_in(titles[(account_number * 5 + self.story.turn) % len(titles)])

    def _offer(self) -> tuple[str, int]:
        size = self.provider.subscribers
        for most, plan, base, each in _PLANS:
            if size <= most:
                return plan, int(round(base + size * each, -1))
        return "enterprise", 2_400


def email_of(name: str, provider: Provider) -> str:
    """Return somebody's address at a provider, in plain letters."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return f"{plain.replace(' ', '.')}@{provider.domain}.example"
