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
            "card.waiver.%",
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
            "card.attachment.%",
            "card.evidence.%",
            "account.%",
        ),
    ),
    "comments": ("Comments", ("card.comment.%",)),
    "people": ("People", ("contact.%", "card.owner.%", "card.approval.%", "card.meeting.%")),
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
    "card.waiver.given": Phrase("hand-stop", "waived {check} for {card}", "soon"),
    "card.waiver.withdrawn": Phrase("hand-stop", "withdrew the waiver of {check} for {card}"),
    "card.fields.changed": Phrase("pencil", "changed {changed} of {card}"),
    "card.details.changed": Phrase("pencil", "changed {changed} of {card}"),
    "card.next_action.set": Phrase("flag", "set the next action of {card}: {after}"),
    "card.comment.added": Phrase("message", "commented on {card}"),
    "card.task.added": Phrase("checklist", "added the task “{task}” to {card}"),
    "card.task.done": Phrase("check", "did the task “{task}” of {card}", "passed"),
    "card.task.reopened": Phrase("circle", "opened the task “{task}” of {card} again"),
    "card.checklist.ticked": Phrase("check", "ticked “{item}” of {card}", "passed"),
    "card.checklist.unticked": Phrase("circle", "unticked “{item}” of {card}"),
    "card.attachment.added": Phrase("paperclip", "attached “{attachment}” to {card}"),
    "card.attachment.withdrawn": Phrase("paperclip", "withdrew “{attachment}” from {card}"),
    "card.talk.logged": Phrase("phone", "logged a talk about {card}"),
    "card.approval.requested": Phrase("hourglass", "asked for approval on {card}: {approval}"),
    "card.approval.decided": Phrase("shield-check", "{decision} {approval} for {card}"),
    "card.meeting.planned": Phrase("calendar", "planned the meeting “{meeting}” for {card}"),
    "card.meeting.held": Phrase("calendar", "recorded the meeting “{meeting}” of {card}", "passed"),
    "card.meeting.cancelled": Phrase("calendar", "called off the meeting “{meeting}” of {card}"),
    "account.created": Phrase("building", "created the account {name}", "accent"),
    "account.imported": Phrase("building", "imported the account {name}", "accent"),
    "account.changed": Phrase("pencil", "changed {changed} of the account"),
    "account.archived": Phrase("archive", "archived the account"),
    "account.restored": Phrase("arrow-back-up", "restored the account"),
    "contact.created": Phrase("user-plus", "added the contact {name}"),
    "contact.imported": Phrase("user-plus", "imported the contact {name}"),
    "contact.changed": Phrase("user", "changed {changed} of the contact {name}"),
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
}

# Columns of a card that an edit of its details names by key.
DETAILS: dict[str, str] = {
    "title": "Title",
    "value_amount": "Value",
    "value_currency": "Currency",
    "contact_id": "Contact",
    "owner_id": "Owner",
}
