"""Whether the installation can do what its playbooks ask: the people, channels and files there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from sqlalchemy import select

from lifecycle.core.db import db
from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.language.model import PlaybookDef
from lifecycle.governance.playbooks.doctor import Finding
from lifecycle.governance.playbooks.library import list_current_revisions
from lifecycle.governance.rules.actions import NotifyParams
from lifecycle.records.files.bucket import current_bucket
from lifecycle.records.files.pieces import StorageAway
from lifecycle.records.files.store import count_in_bucket
from lifecycle.records.people.actor import Actor
from lifecycle.records.people.models import User
from lifecycle.records.people.permissions import holds_role
from lifecycle.records.team_channels.queries import list_channels

SetupCheck = Callable[[], Iterable[Finding]]


def examine_setup() -> tuple[Finding, ...]:
    """Return what is wrong with the installation. Needs an application context."""
    return tuple(finding for check in SETUP_CHECKS for finding in check())


def named_people() -> Iterator[Finding]:
    """Name every address in a playbook that belongs to nobody who can log in."""
    addresses = {user.email.lower() for user in _working_users()}
    for revision in list_current_revisions():
        for place, address in _addresses(revision.playbook):
            if address.lower() not in addresses:
                sentence = f"Nobody who works here has the address {address}."
                yield Finding("gap", place, sentence, "Invite them, or name somebody else in the playbook.")


def held_roles() -> Iterator[Finding]:
    """Name every role that a playbook gives a say and that only administrators could exercise."""
    actors = [Actor.of(user) for user in _working_users() if user.role != "admin"]
    for revision in list_current_revisions():
        playbook = revision.playbook
        for role in sorted(_roles(playbook)):
            if not any(holds_role(actor, role) for actor in actors):
                yield Finding(
                    "warning",
                    playbook.key,
                    f"Nobody holds the role '{playbook.name_of(role)}'; administrators stand in.",
                    "Give somebody the role or the department.",
                )


def staffed_departments() -> Iterator[Finding]:
    """Name every department whose stages look for an owner among its members, and that has none."""
    staffed = {department.key for user in _working_users() for department in user.departments}
    for revision in list_current_revisions():
        for pipeline in revision.playbook.pipelines:
            for stage in pipeline.stages:
                if stage.owner_rule in ("round_robin", "least_loaded") and stage.department not in staffed:
                    name = revision.playbook.departments[stage.department].name
                    place = f"{pipeline.slug}: {stage.name}"
                    yield Finding(
                        "gap", place, f"{name} has no members to own its cards.", "Add somebody to it."
                    )


def reachable_files() -> Iterator[Finding]:
    """Say that files cannot be handed out: no bucket is set where they lie, or it does not let us in."""
    bucket = current_bucket()
    if bucket is None:
        if count := count_in_bucket():
            sentence = f"{count} files lie in a bucket, and none is set."
            yield Finding("gap", "files", sentence, "Set S3_ENDPOINT and what belongs to it.")
        return
    try:
        bucket.check()
    except StorageAway:
        sentence = f"The bucket {bucket.name} does not answer, or does not let us in."
        yield Finding("gap", "files", sentence, "Look at the S3_ settings, the key's rights and the service.")


def named_channels() -> Iterator[Finding]:
    """Name every channel that a playbook tells and that is not set up, or switched off."""
    for revision in list_current_revisions():
        yield from channel_findings(revision.playbook)


def channel_findings(playbook: PlaybookDef) -> Iterator[Finding]:
    """Name the channels of one playbook to which nothing can be sent."""
    wanted = channels_of(playbook)
    known = {channel.key: channel for channel in list_channels()} if wanted else {}
    for key in wanted:
        channel = known.get(key)
        if channel is None:
            sentence, remedy = f"There is no channel #{key}; it is told nothing.", "Set it up under Channels."
        elif not channel.is_on:
            sentence, remedy = f"#{key} is switched off; it is told nothing.", "Switch it on under Channels."
        else:
            continue
        yield Finding("warning", playbook.key, sentence, remedy)


def channels_of(playbook: PlaybookDef) -> list[str]:
    """Return the keys of the channels that a playbook tells, each once."""
    told = [
        key
        for rule in playbook.rules
        for action in rule.actions
        if isinstance(action.params, NotifyParams)
        for key in action.params.channels
    ]
    return sorted(set(told))


SETUP_CHECKS: Final[list[SetupCheck]] = [
    named_people,
    held_roles,
    staffed_departments,
    named_channels,
    reachable_files,
]
"""Every check of the installation: a function that asks the database and returns what it finds."""


def _working_users() -> list[User]:
    """Return who can log in."""
    return list(
        db.session.scalars(
            select(User).where(User.is_active, User.password_hash.is_not(None)).order_by(User.email)
        )
    )


def _addresses(playbook: PlaybookDef) -> Iterator[tuple[str, str]]:
    if playbook.process_owner and "@" in playbook.process_owner:
        yield f"{playbook.key}: process owner", playbook.process_owner
    for pipeline in playbook.pipelines:
        for stage in pipeline.stages:
            if "@" in stage.owner_rule:
                yield f"{pipeline.slug}: {stage.name}", stage.owner_rule


def _roles(playbook: PlaybookDef) -> set[str]:
    """Return every role that may waive, approve, be given a task or take a way of its own."""
    found: set[str] = set()
    for pipeline in playbook.pipelines:
        found |= {edge.by for edge in pipeline.edges if edge.by}
        for stage in pipeline.stages:
            found |= {task.assignee for task in stage.tasks if task.assignee != "owner"}
            for check in (*stage.enter, *stage.leave):
                found |= {check.waive} if check.waive else set()
                references = check_types()[check.type].references(check.params)
                found |= {reference.name for reference in references if reference.kind == "role"}
    return found
