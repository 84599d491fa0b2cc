"""A lab whose client fills a form: conditions, a table, an address, files, and a score."""

from __future__ import annotations

from typing import Any

from flask import Flask

from tests.factories.clients import ASKED, MEND
from tests.factories.playbooks import lab, publish_lab

FORM = """\
name: Your survey
answer: submit
intro: Tell us how you work, {{ account.name }}.
shows: [wish]
pages:
  you:
    name: You
    intro: Who you are.
    asks:
      company: { type: text, name: Company, prefill: account.name }
      office: { type: address, name: Office }
      price: {}
  trade:
    name: What you sell
    asks:
      kinds: { type: choices, name: Kinds, options: { fibre: Fibre, wireless: Wireless } }
    sections:
      offers:
        name: Offers
        help: As on your list.
        asks:
          plans:
            type: table
            name: Plans
            rows: 3
            columns:
              name: { type: text }
              price: { type: money }
              kind: { options: { fibre: Fibre, wireless: Wireless }, required: no }
              tags: { type: choices, options: { old: Old, new: New }, required: no }
          lists: { type: file, name: Price lists, required: no }
  wireless:
    name: Your towers
    when: "'wireless' in answers.kinds"
    asks:
      masts: { type: integer, minimum: 1, maximum: 900, name: Masts }
      shared: { type: yes_no, name: Shared masts, required: no }
      owner: { type: text, name: Whose they are, when: answers.shared == true, required: no, required_when: answers.masts > 5 }
      permitted: { type: yes_no, name: Permitted, required: no, valid_when: answers.permitted, valid_says: We need the permit. }
      story: { type: long_text, name: Story, required: no }
      plan: { type: file, name: Site plan, required: no }
      hindrance: { type: text, name: What hinders, required: no, when: answers.permitted == false }
scores:
  size:
    saves: pieces
    medium: 2
    high: 4
    reasons:
      - { points: 3, when: answers.masts > 10, says: More than ten masts. }
      - { points: 1, when: size(answers.plans) > 1, says: Several plans. }
consent: This is true.
message: asked
"""  # noqa: E501
STAGES = """
first: {}
survey:
  client_gate: { asks: survey, due: 3 days }
  leave: [ { client: survey, waive: nobody } ]
last: {}
"""
FILES = {"messages/asked.yaml": ASKED, "messages/mend.yaml": MEND}


def form_files(form: str = FORM, stages: str = STAGES) -> dict[str, str]:
    """The lab's files with this form."""
    return lab(stages, files={**FILES, "client_requests/survey.yaml": form})


def publish_form(app: Flask, form: str = FORM, stages: str = STAGES, **more: Any) -> None:
    """Publish the lab with the form."""
    publish_lab(app, stages, files={**FILES, "client_requests/survey.yaml": form}, **more)
