"""What each kind of event is called in a sentence, with its icon and its group.

A phrase begins after the actor's name. `{card}` stands for the card; other places are filled from the
event's data. A kind without a phrase is still shown, by its own name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrase:
    """How one kind of event reads: the icon, the words, and the tone of its mark."""

    icon: str
    words: str
    tone: str = "neutral"


# Filter groups: the reader's name, and the kinds (LIKE patterns) that belong to them.
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "moves": (
        "Moves",
        (
            "card.created",
            "card.imported",
            "card.stage.%",
            "card.move.%",
            "card.archived",
            "card.restored",
            "card.waiting.%",
            "card.check.%",
            "card.waiver.%",
            "card.import.%",
            "card.revision.%",
            "card.handoff.%",
            "card.sla.%",
            "card.rule.%",
            "cards.withdrawn",
        ),
    ),
    "facts": (
        "Facts",
        (
            "card.fields.%",
            "card.details.%",
            "card.next_action.%",
            "card.task.%",
            "card.checklist.%",
            "card.evidence.%",
            "account.%",
        ),
    ),
    "comments": ("Comments", ("card.comment.%",)),
    "people": ("People", ("contact.%", "card.owner.%", "card.approval.%", "card.meeting.%")),
    "client": ("Client", ("card.request.%", "card.secret.%")),
    "messages": ("Messages", ("card.message.%", "message.%", "card.talk.%", "card.mail.%")),
}

PHRASES: dict[str, Phrase] = {
    "card.created": Phrase("plus", "created {card}", "accent"),
    "card.imported": Phrase("upload", "imported {card}", "accent"),
    "card.stage.entered": Phrase("arrow-right", "moved {card} from {from} to {to}", "accent"),
    "card.move.undone": Phrase("arrow-back-up", "undid the move of {card}: it is back in {back_to}"),
    "card.archived": Phrase("archive", "archived {card}"),
    "card.restored": Phrase("arrow-back-up", "restored {card}"),
    "card.waiting.started": Phrase(
        "player-pause", "stopped the clock of {card}: waiting on the client", "client"
    ),
    "card.waiting.ended": Phrase("player-play", "let the clock of {card} run again"),
    "card.check.waived": Phrase("hand-stop", "waived “{check}” for {card}", "soon"),
    "card.waiver.withdrawn": Phrase("hand-stop", "withdrew the waiver of “{check}” for {card}"),
    "card.revision.changed": Phrase("git-branch", "took {card} over to another revision of its playbook"),
    "card.fields.changed": Phrase("pencil", "changed {changed} of {card}"),
    "card.details.changed": Phrase("pencil", "changed {changed} of {card}"),
    "card.next_action.set": Phrase("flag", "set the next action of {card}: {after}"),
    "card.comment.added": Phrase("message", "commented on {card}"),
    "card.import.changed": Phrase("upload", "brought {card} up to date"),
    "card.task.added": Phrase("checklist", "added the task “{what}” to {card}"),
    "card.task.done": Phrase("check", "did the task “{what}” of {card}", "passed"),
    "card.task.reopened": Phrase("circle", "opened the task “{what}” of {card} again"),
    "card.checklist.ticked": Phrase("check", "ticked “{what}” of {card}", "passed"),
    "card.checklist.unticked": Phrase("circle", "unticked “{what}” of {card}"),
    "card.evidence.added": Phrase("paperclip", "attached “{name}” to {card}"),
    "card.evidence.withdrawn": Phrase("paperclip", "withdrew “{name}” from {card}"),
    "card.talk.logged": Phrase("phone", "logged a talk about {card}: {name}"),
    "card.approval.requested": Phrase("hourglass", "asked {role} to approve {card}"),
    "card.approval.given": Phrase("shield-check", "approved {card} as {role}", "passed"),
    "card.approval.rejected": Phrase("ban", "rejected {card} as {role}", "breach"),
    "card.meeting.planned": Phrase("calendar", "planned a meeting for {card}: {name}"),
    "card.meeting.held": Phrase("calendar", "wrote the minutes of a meeting about {card}: {name}", "passed"),
    "card.secret.sent": Phrase("lock", "handed “{name}” of {card} over", "client"),
    "card.secret.viewed": Phrase("eye", "saw “{name}” of {card}, once", "passed"),
    "card.secret.revoked": Phrase("ban", "took “{name}” of {card} back"),
    "card.request.asked": Phrase("send", "asked the client of {card}: {name}", "client"),
    "card.request.reminded": Phrase("bell", "reminded the client of {card}: {name}", "client"),
    "card.request.opened": Phrase("eye", "opened “{name}” of {card}", "client"),
    "card.request.submitted": Phrase("upload", "submitted “{name}” of {card}", "client"),
    "card.request.accepted": Phrase("circle-check", "accepted “{name}” of {card}", "passed"),
    "card.request.returned": Phrase("arrow-back-up", "returned “{name}” of {card} to the client", "soon"),
    "card.request.declined": Phrase("ban", "declined “{name}” of {card}", "breach"),
    "card.request.stuck": Phrase("hand-stop", "said they are stuck with “{name}” of {card}", "soon"),
    "card.request.code_sent": Phrase("mail", "asked for a code to sign “{name}” of {card}", "client"),
    "card.request.paper_made": Phrase("file", "kept the signed paper of “{name}” of {card}"),
    "card.request.passed_on": Phrase("send", "passed “{name}” of {card} on to a colleague", "client"),
    "card.request.expired": Phrase("clock", "let “{name}” of {card} expire: no answer came", "soon"),
    "card.request.extended": Phrase("calendar", "gave the client of {card} more time for “{name}”"),
    "card.request.revoked": Phrase("link", "revoked the links of “{name}” of {card}"),
    "card.request.withdrawn": Phrase("ban", "withdrew “{name}” of {card}"),
    "card.handoff.offered": Phrase(
        "arrow-right", "handed {card} over from {from_pipeline} to {to_pipeline}", "accent"
    ),
    "card.handoff.accepted": Phrase("circle-check", "accepted the handoff of {card}", "passed"),
    "card.handoff.returned": Phrase("arrow-back-up", "returned the handoff of {card}", "soon"),
    "card.sla.due_soon": Phrase("clock", "found {card} due soon", "soon"),
    "card.sla.breached": Phrase("alert-triangle", "found {card} over its time", "breach"),
    "card.sla.escalated": Phrase("alert-triangle", "escalated {card}: it is still over its time", "breach"),
    "card.rule.retried": Phrase("refresh", "had the rule “{name}” tried again for {card}"),
    "card.rule.dismissed": Phrase("archive", "let the failure of “{name}” for {card} rest"),
    "card.message.held": Phrase("hand-stop", "held “{name}” about {card} back", "soon"),
    "card.message.released": Phrase("player-play", "let “{name}” about {card} go"),
    "card.message.hurried": Phrase("send", "sent “{name}” about {card} in spite of quiet hours"),
    "card.message.delivered": Phrase("circle-check", "was told that “{name}” about {card} arrived", "passed"),
    "card.message.undelivered": Phrase(
        "alert-triangle",
        "was told that “{name}” about {card} did not arrive as an SMS: it goes by mail",
        "soon",
    ),
    "card.message.returned": Phrase(
        "alert-triangle", "was told that “{name}” about {card} came back", "breach"
    ),
    "card.message.delayed": Phrase(
        "clock", "was told that “{name}” about {card} is late: its server goes on trying", "soon"
    ),
    "card.message.cancelled": Phrase("ban", "cancelled “{name}” about {card}"),
    "card.message.line_added": Phrase("pencil", "added a line to “{name}” about {card}"),
    "card.message.line_removed": Phrase("pencil", "took the added line out of “{name}” about {card}"),
    "card.message.resent": Phrase("send", "sent “{name}” about {card} again"),
    "cards.withdrawn": Phrase("trash", "withdrew an import"),
    "account.created": Phrase("building", "created the account {name}", "accent"),
    "account.changed": Phrase("pencil", "changed {changed} of the account"),
    "account.archived": Phrase("archive", "archived the account"),
    "account.restored": Phrase("arrow-back-up", "restored the account"),
    "contact.created": Phrase("user-plus", "added the contact {name}"),
    "contact.home_sent": Phrase("send", "mailed {name} the link to their home"),
    "contact.homes_revoked": Phrase("link", "revoked the links to the home of {name}"),
    "contact.changed": Phrase("user", "changed {changed} of the contact {name}"),
    "contact.sms_stopped": Phrase("ban", "sends {name} no SMS any more", "soon"),
    "contact.sms_resumed": Phrase("message", "sends {name} SMS again"),
    "contact.archived": Phrase("user", "archived the contact {name}"),
    "contact.restored": Phrase("user", "restored the contact {name}"),
}

# Where it came from; the page itself goes without saying.
CHANNELS: dict[str, str] = {
    "page": "",
    "system": "",
    "board": "on the board",
    "keyboard": "by keyboard",
    "menu": "from the menu",
    "bulk": "several at once",
    "api": "through the API",
    "rule": "by a rule",
    "import": "by import",
    "sync": "by a sync",
    "command": "from the command line",
    "demo": "in the demo",
    "client link": "by an emailed link",
    "home": "from their home",
    "reminder": "by a reminder",
    "handoff": "by a handoff",
}

# Columns of a card that an edit of its details names by key.
DETAILS: dict[str, str] = {
    "title": "Title",
    "value_amount": "Value",
    "value_currency": "Currency",
    "contact_id": "Contact",
    "owner_id": "Owner",
}
