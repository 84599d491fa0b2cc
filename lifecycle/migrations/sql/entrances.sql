-- The two entrances into a stage that need no gate report stay what they are for: an undo leads back to where the
-- undone move came from, and imported visits are a card's first ones (E6, E23).

create or replace function lifecycle_guard_visit_chain() returns trigger language plpgsql as $$
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
    if new.is_imported then
        if not previous.is_imported then
            raise exception 'stage visit %: an imported visit follows one that was not', new.id
                using errcode = 'integrity_constraint_violation';
        end if;
        return null;
    end if;
    if new.continues_visit_id is not null then
        if previous.gate_report_id is null
            or not exists (
                select from stage_visits
                where card_id = new.card_id and number = new.number - 2 and stage_id = new.stage_id
            )
            or not exists (
                select from stage_visits
                where id = new.continues_visit_id and card_id = new.card_id and stage_id = new.stage_id
                  and number < previous.number
            )
        then
            raise exception 'stage visit %: it does not continue the stay that the last move ended', new.id
                using errcode = 'integrity_constraint_violation';
        end if;
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

create function lifecycle_guard_origin() returns trigger language plpgsql as $$
begin
    if new.import_id is distinct from old.import_id then
        raise exception 'card %: the import it came from cannot be changed', old.id
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;
create trigger origin_is_final before update of import_id on cards
    for each row execute function lifecycle_guard_origin();
