-- What a changed card takes from a stage's totals and brings to one (records/cards/totals.py).

create function lifecycle_count_card() returns trigger language plpgsql as $$
begin
    insert into stage_total_changes (pipeline_id, stage_id, currency, cards, amount, due_at)
    select pipeline_id, stage_id, coalesce(currency, ''), cards, coalesce(amount, 0), due_at
    from (values
        (old.pipeline_id, old.stage_id, old.value_currency, -1, old.value_amount,
            case when not old.is_paused then old.sla_due_at end, old.archived_at),
        (new.pipeline_id, new.stage_id, new.value_currency, 1, new.value_amount,
            case when not new.is_paused then new.sla_due_at end, new.archived_at)
        ) as face (pipeline_id, stage_id, currency, cards, amount, due_at, archived_at)
    where archived_at is null and pipeline_id is not null; -- A new card was nowhere before.
    return null;
end $$;
create trigger counts_a_new_card after insert on cards for each row execute function lifecycle_count_card();
create trigger counts_a_changed_card after update on cards for each row
when (
    (old.pipeline_id, old.stage_id, old.value_currency, old.value_amount, old.sla_due_at, old.is_paused, old.archived_at)
    is distinct from
    (new.pipeline_id, new.stage_id, new.value_currency, new.value_amount, new.sla_due_at, new.is_paused, new.archived_at))
execute function lifecycle_count_card();
