"""Every room's tables, imported once, so that the metadata is whole for migrations and foreign keys."""

from __future__ import annotations

from lifecycle.core.db import Model
from lifecycle.exchange.imports import models as imports
from lifecycle.records.accounts import models as accounts
from lifecycle.records.automation import models as automation
from lifecycle.records.cards import flows, totals
from lifecycle.records.cards import models as cards
from lifecycle.records.evidence import models as evidence
from lifecycle.records.files import models as files
from lifecycle.records.inbox import models as inbox
from lifecycle.records.legal import models as legal
from lifecycle.records.outbox import models as outbox
from lifecycle.records.people import models as people
from lifecycle.records.playbooks import models as playbooks
from lifecycle.records.reminders import models as reminders
from lifecycle.records.sms import models as sms
from lifecycle.records.team_channels import models as team_channels
from lifecycle.records.views import models as views
from lifecycle.work.approvals import models as approvals
from lifecycle.work.attachments import models as attachments
from lifecycle.work.client_requests import models as client_requests
from lifecycle.work.handoffs import models as handoffs
from lifecycle.work.meetings import models as meetings
from lifecycle.work.tasks import models as tasks

ROOMS = (
    people,
    accounts,
    playbooks,
    legal,
    cards,
    totals,
    flows,
    evidence,
    files,
    outbox,
    sms,
    team_channels,
    approvals,
    attachments,
    meetings,
    tasks,
    imports,
    automation,
    reminders,
    inbox,
    client_requests,
    handoffs,
    views,
)
METADATA = Model.metadata
