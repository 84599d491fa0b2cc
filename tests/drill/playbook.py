"""The drill's playbook: a line that cards go round, two gates that matter, a message for every move."""

from __future__ import annotations

SLUG = "drill.line"
# The way round: from each stage the next, by the playbook.
NEXT = {"intake": "prepared", "prepared": "checked", "checked": "shipped", "shipped": "intake"}
# Backward, where no way leads: a member may not go it, whatever a card has.
FORBIDDEN = {"prepared": "intake", "checked": "intake", "shipped": "prepared"}

PLAYBOOK = {
    "playbook.yaml": """\
playbook: drill
name: Drill
departments: { desk: Desk, floor: Floor }
evidence: { paper: { accepts: file } }
fields:
  price: money
  code: { type: text, pattern: "[A-Z]{3}", pattern_says: write three capital letters }
""",
    "line.yaml": """\
pipeline: line
department: floor
stage_defaults: { notify: { departments: [desk], message: moved } }
stages:
  intake: { leave: [ { field: price } ] }
  prepared: { leave: [ { field: code } ] }
  checked: {}
  shipped: { notify: [ { departments: [desk], message: moved }, { client: yes, message: moved } ] }
  delivered: { kind: won }
  lost: { kind: lost, asks: { why: text } }
moves:
  - { from: shipped, to: intake, kind: revision }
  - { from: every open stage, to: lost, kind: close }
""",
    "messages/moved.yaml": """\
subject: "{{ card.title }} is in {{ stage.name }}"
text: |
  {{ account.name }}: {{ card.title }} is in {{ stage.name }}.
sms: "{{ account.name }}: {{ card.title }} is in {{ stage.name }}."
""",
    "talks.yaml": """\
pipeline: talks
department: floor
stages:
  asked: { leave: [ { client: { name: survey, status: submitted } }, { client: order } ] }
  agreed: { kind: won }
""",
    "client_requests/survey.yaml": """\
name: Your survey
answer: submit
message: asked
pages:
  first:
    name: First
    asks: { name: { type: text }, town: { type: text, required: no }, size: { type: text, required: no } }
  second:
    name: Second
    asks: { wish: { type: text, required: no }, worry: { type: long_text, required: no } }
""",
    "client_requests/order.yaml": """\
name: Your order
answer: accept
sign: paper
consent: We order it.
message: asked
""",
    "messages/asked.yaml": """\
subject: "{{ request.name }}"
text: |
  Please answer by {{ request.due }}:

  {{ request.link }}
sms: "Please answer: {{ request.link }}"
""",
}

TALKS = "drill.talks"
# The questions of the survey, with their page; the first must be answered.
QUESTIONS = {"name": "first", "town": "first", "size": "first", "wish": "second", "worry": "second"}

# How many messages a move into a stage owes: to each clerk at the desk, and of what is shipped to a client.
CLERKS = 2
MAILS = {"intake": CLERKS, "prepared": CLERKS, "checked": CLERKS, "shipped": CLERKS + 1}
