"""Made-up things to draw; shaped like the views the boards room makes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from werkzeug.datastructures import MultiDict


@dataclass(frozen=True)
class Card:
    """The face of a card."""

    id: str
    title: str
    account_name: str
    stage_key: str
    value: Decimal | None = Decimal(18_400)
    currency: str = "EUR"
    owner_name: str | None = "Ines Kolar"
    owner_initials: str | None = "IK"
    sla_state: str = "on_track"
    sla_fraction: float = 0.4
    sla_label: str = "3 d left"
    age_label: str = "2 d"
    gate_passed: int = 3
    gate_total: int = 5
    gate_blocked: int = 2
    next_action: str | None = "Call about the contract end"
    next_action_due_label: str | None = "Thu 26 Nov"
    next_action_state: str = "ok"
    waiting_on_client: bool = False
    client_status: str | None = None
    moved_by_initials: str | None = None
    visit_id: int = 1
    version: int = 1
    account_url: str = "/accounts/1"

    @property
    def url(self) -> str:
        """Address of the card."""
        return f"/cards/{self.id}"


@dataclass(frozen=True)
class Column:
    """A stage on the board."""

    key: str
    name: str
    phase: str
    count: int
    total_value: Decimal
    cards: list[Card] = field(default_factory=list)
    kind: str = "open"
    currency: str = "EUR"
    breached: int = 0
    is_client_gate: bool = False
    more_url: str | None = None
    collapsed: bool = False
    retired: bool = False
    can_create: bool = False


@dataclass(frozen=True)
class Check:
    """A line of a gate report."""

    key: str
    state: str
    sentence: str
    detail: str | None = None
    is_client: bool = False


@dataclass(frozen=True)
class Report:
    """What stands between two stages."""

    card_title: str
    account_name: str
    from_name: str
    to_name: str
    to_stage: str
    checks: list[Check]
    passed: int
    total: int
    blocked: int
    move_url: str = "/cards/a1/moves"
    seen_visit: int = 1


@dataclass(frozen=True)
class Target:
    """A stage the card may try."""

    stage: str
    name: str
    state: str
    unmet: int = 0
    says: str = ""


CARDS = {
    "on track": Card("s1", "Fiber billing for 12,000 subscribers", "Aurora Telecom", "engaged"),
    "due soon": Card(
        "s2",
        "Replace the RADIUS and billing stack",
        "Vallée Réseaux",
        "engaged",
        Decimal(42_000),
        owner_name="Tomas Brandt",
        owner_initials="TB",
        sla_state="due_soon",
        sla_fraction=0.86,
        sla_label="4 h left",
        age_label="4 d",
        gate_passed=5,
        gate_total=5,
        gate_blocked=0,
        next_action="Send the demo invitation",
        next_action_due_label="Today",
        next_action_state="today",
    ),
    "breached": Card(
        "s3",
        "Migration from spreadsheets, two regional networks with one shared back office and a long title",
        "Cooperativa Eléctrica del Sur y Comunicaciones Rurales",
        "engaged",
        Decimal("7350.50"),
        sla_state="breached",
        sla_fraction=1,
        sla_label="3 d over",
        age_label="8 d",
        gate_passed=1,
        next_action="Agree who signs",
        next_action_due_label="2 d ago",
        next_action_state="overdue",
        owner_name="Maja Lindqvist",
        owner_initials="ML",
    ),
    "waiting on the client": Card(
        "s4",
        "Plan Pro 5k, yearly",
        "Nordwind Funk",
        "engaged",
        Decimal(26_900),
        sla_state="paused",
        sla_fraction=0.55,
        sla_label="paused while waiting on the client",
        age_label="6 d",
        gate_passed=2,
        gate_total=3,
        gate_blocked=1,
        waiting_on_client=True,
        client_status="Opened",
        next_action="Client accepts plan and terms",
        next_action_due_label="Fri 27 Nov",
    ),
    "nothing set": Card(
        "s5",
        "Inbound request from the site",
        "Kestrel Broadband",
        "engaged",
        None,
        owner_name=None,
        owner_initials=None,
        sla_state="none",
        sla_fraction=0,
        sla_label="",
        age_label="1 h",
        gate_passed=0,
        gate_total=4,
        gate_blocked=4,
        next_action=None,
        next_action_due_label=None,
        next_action_state="missing",
    ),
    "moved by somebody else": Card(
        "s6",
        "Rural wireless, 3,400 lines",
        "Puna Link",
        "engaged",
        Decimal(15_120),
        moved_by_initials="AK",
    ),
}

_TITLES = (
    ("Aurora Telecom", "Fiber billing for 12,000 subscribers", 48_000),
    ("Vallée Réseaux", "Replace the RADIUS and billing stack", 42_000),
    ("Nordwind Funk", "Plan Pro 5k, yearly", 26_900),
    ("Puna Link", "Rural wireless, 3,400 lines", 15_120),
    ("Kestrel Broadband", "Prepaid vouchers and cash offices", 9_800),
    ("Cooperativa del Sur", "Migration from spreadsheets", 7_350),
    ("Baltnet", "OLT provisioning and monitoring", 31_500),
    ("Sahel Connect", "Mobile money payments", 12_000),
    ("Highland Fibre", "White-label portal for resellers", 22_400),
    ("Isla Wireless", "Hotspot bundles for three islands", 5_600),
    ("Tundra Online", "Dual-currency invoicing", 18_000),
    ("Metro Nine", "Billing for 40 apartment blocks", 64_250),
)
_VARIANTS = tuple(CARDS.values())
_OWNERS = (("Ines Kolar", "IK"), ("Tomas Brandt", "TB"), ("Maja Lindqvist", "ML"), ("Omar Diallo", "OD"))


def _cards(stage_key: str, first: int, number: int, *, waiting: bool = False) -> list[Card]:
    cards = []
    for index in range(first, first + number):
        account_name, title, value = _TITLES[index % len(_TITLES)]
        owner_name, owner_initials = _OWNERS[index % len(_OWNERS)]
        variant = _VARIANTS[(0, 1, 0, 2, 0)[index % 5]] if not waiting else CARDS["waiting on the client"]
        cards.append(
            replace(
                variant,
                id=f"{stage_key}-{index}",
                title=title,
                account_name=account_name,
                stage_key=stage_key,
                value=Decimal(value),
                owner_name=owner_name,
                owner_initials=owner_initials,
            )
        )
    return cards


COLUMNS = [
    Column(
        "sourced",
        "Sourced",
        "Lead",
        5,
        Decimal(122_370),
        _cards("sourced", 3, 5),
        can_create=True,
        breached=1,
    ),
    Column("engaged", "Engaged", "Engagement", 6, Decimal(169_820), list(CARDS.values()), breached=1),
    Column("demo_conducted", "Demo Conducted", "Demo", 3, Decimal(65_900), _cards("demo_conducted", 6, 3)),
    Column("negotiation", "Negotiation", "Negotiation", 2, Decimal(82_250), _cards("negotiation", 10, 2)),
    Column(
        "subscription_request",
        "Subscription Request",
        "Subscription",
        2,
        Decimal(68_900),
        _cards("subscription_request", 1, 2, waiting=True),
        is_client_gate=True,
    ),
    Column("subscribed", "Subscribed", "Subscription", 0, Decimal(0)),
    Column("closed_won", "Closed-Won", "Subscription", 4238, Decimal(10_005_534), kind="won", collapsed=True),
    Column("closed_lost", "Closed-Lost", "Subscription", 2473, Decimal(0), kind="lost", collapsed=True),
]

REPORT = Report(
    card_title="Plan Pro 5k, yearly",
    account_name="Nordwind Funk",
    from_name="Engaged",
    to_name="Demo Conducted",
    to_stage="demo_conducted",
    checks=[
        Check("owner", "passed", "The card has an owner"),
        Check(
            "fields",
            "blocked",
            "Pain and decision path are empty",
            "Two of five fields of Engaged are missing.",
        ),
        Check("checklist", "blocked", "1 of 3 items of “Qualification” is open"),
        Check(
            "client",
            "blocked",
            "The client has not confirmed the demo date",
            "Sent 2 days ago, opened once.",
            is_client=True,
        ),
        Check("evidence", "warning", "No network diagram is attached", "Recommended, not required."),
        Check(
            "approval",
            "waived",
            "Discount above 15 % needs a manager",
            "Waived by Maja Lindqvist: price list changed today.",
        ),
        Check("time", "passed", "At least one business day in Engaged"),
    ],
    passed=3,
    total=7,
    blocked=3,
)

REPORT_PASSED = replace(
    REPORT,
    checks=[replace(check, state="passed", is_client=False) for check in REPORT.checks],
    passed=7,
    blocked=0,
)

TARGETS = [
    Target("verified", "Verified", "open"),
    Target(
        "demo_conducted",
        "Demo Conducted",
        "blocked",
        unmet=3,
        says="Pain, decision path and the client's date are missing.",
    ),
    Target("closed_lost", "Closed-Lost", "needs_input", says="Asks for a reason."),
    Target(
        "subscribed", "Subscribed", "forbidden", says="Subscription Request comes first; nobody may skip it."
    ),
]

PHASES = [
    {"name": "Lead", "state": "done", "client": False},
    {"name": "Engagement", "state": "current", "client": False},
    {"name": "Demo", "state": "ahead", "client": False},
    {"name": "Negotiation", "state": "ahead", "client": False},
    {"name": "Subscription", "state": "ahead", "client": True},
    {"name": "Installation", "state": "ahead", "client": False},
    {"name": "Order Submission", "state": "ahead", "client": True},
]

REFUSED_INPUT = MultiDict({"refused-website": "nordwind", "refused-value": "twelve", "refused-pain": ""})
