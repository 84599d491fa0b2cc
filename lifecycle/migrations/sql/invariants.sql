-- What must hold whatever code writes: even plain SQL as the application's role is refused (E6, E16).

create function lifecycle_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
        using errcode = 'integrity_constraint_violation';
end $$;

create trigger append_only before update or delete on events
    for each row execute function lifecycle_refuse_change();
create trigger append_only_truncate before truncate on events
    for each statement execute function lifecycle_refuse_change();
create trigger append_only before update or delete on gate_reports
    for each row execute function lifecycle_refuse_change();
create trigger append_only before update or delete on playbook_revisions
    for each row execute function lifecycle_refuse_change();
create trigger append_only before update or delete on approval_decisions
    for each row execute function lifecycle_refuse_change();
create trigger never_deleted before delete on stage_visits
    for each row execute function lifecycle_refuse_change();
create trigger never_deleted before delete on cards
    for each row execute function lifecycle_refuse_change();

-- An open visit may only be finished or have its deadline moved; a finished one never changes.
create function lifecycle_guard_visit() returns trigger language plpgsql as $$
declare
    mutable constant text[] := array['left_at', 'left_by', 'left_channel', 'our_seconds', 'client_seconds',
                                     'sla_due_at'];
begin
    if old.left_at is not null then
        raise exception 'stage visit % is finished and cannot be changed', old.id
            using errcode = 'integrity_constraint_violation';
    end if;
    if (to_jsonb(new) - mutable) is distinct from (to_jsonb(old) - mutable) then
        raise exception 'stage visit %: only leaving it and its deadline can change', old.id
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;
create trigger finished_is_final before update on stage_visits
    for each row execute function lifecycle_guard_visit();

-- A visit follows its predecessor without gap, and through a gate that passed.
create function lifecycle_guard_visit_chain() returns trigger language plpgsql as $$
declare
    previous stage_visits;
    card cards;
begin
    select * into card from cards where id = new.card_id;
    if not exists (select from stages where id = new.stage_id and pipeline_id = card.pipeline_id) then
        raise exception 'stage visit %: the stage is not one of the card''s pipeline', new.id
            using errcode = 'integrity_constraint_violation';
    end if;
    if new.is_imported and card.import_id is null then
        raise exception 'stage visit %: only an imported card has imported visits', new.id
            using errcode = 'integrity_constraint_violation';
    end if;
    if new.number = 1 then
        return null;
    end if;
    select * into previous from stage_visits where card_id = new.card_id and number = new.number - 1;
    if previous.id is null or previous.left_at is distinct from new.entered_at then
        raise exception 'stage visit %: it does not follow the visit before it', new.id
            using errcode = 'integrity_constraint_violation';
    end if;
    if new.is_imported or new.continues_visit_id is not null then
        return null;
    end if;
    if not exists (
        select from gate_reports
        where id = new.gate_report_id and card_id = new.card_id and from_visit_id = previous.id
          and to_stage_id = new.stage_id and outcome = 'passed'
    ) then
        raise exception 'stage visit %: no passed gate report leads here', new.id
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;
create constraint trigger follows_its_predecessor after insert on stage_visits
    deferrable initially deferred
    for each row execute function lifecycle_guard_visit_chain();

-- At commit, a card's stage and visit are those of its one open visit.
create function lifecycle_guard_card() returns trigger language plpgsql as $$
declare
    card cards;
    visit stage_visits;
begin
    if tg_table_name = 'cards' then
        select * into card from cards where id = new.id;
    else
        select * into card from cards where id = new.card_id;
    end if;
    select * into visit from stage_visits where card_id = card.id and left_at is null;
    if visit.id is null or visit.id <> card.visit_id or visit.stage_id <> card.stage_id then
        raise exception 'card %: its stage is not that of its open visit', card.id
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;
create constraint trigger stands_in_its_open_visit after insert or update of stage_id, visit_id on cards
    deferrable initially deferred
    for each row execute function lifecycle_guard_card();
create constraint trigger card_stands_in_it after insert or update of left_at on stage_visits
    deferrable initially deferred
    for each row execute function lifecycle_guard_card();
