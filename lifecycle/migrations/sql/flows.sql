-- What entered, was won and was lost, as visits begin, are undone and are withdrawn (records/cards/flows.py).
-- A visit counts if it is a card's first or in a closed stage, has a true date, and continues no other; until an
-- undo, which opens a third visit after the mistaken one; and while its card's import is not withdrawn.

create function lifecycle_quarter(at timestamptz) returns timestamptz language sql immutable as $$
    select date_bin('15 minutes', at, '2000-01-01 00:00:00+00')
$$;

create function lifecycle_count_visits() returns trigger language plpgsql as $$
begin
    insert into flow_changes (pipeline_id, at, entered, won, lost)
    select s.pipeline_id, lifecycle_quarter(v.entered_at), sum(sign * (v.number = 1)::int),
        sum(sign * (s.kind = 'won')::int), sum(sign * (s.kind = 'lost')::int)
    from (
        select 1 as sign, card_id, number, stage_id, entered_at, entered_by_edge
        from added where continues_visit_id is null
        union all
        select -1, u.card_id, u.number, u.stage_id, u.entered_at, u.entered_by_edge
        from added a join stage_visits u on u.card_id = a.card_id and u.number = a.number - 1
        where a.continues_visit_id is not null and u.continues_visit_id is null) v
    join stages s on s.id = v.stage_id
    left join cards c on c.id = v.card_id -- A new card's first visit is written before the card.
    where (v.number = 1 or s.kind <> 'open') and v.entered_by_edge <> 'imported_undated' and c.withdrawn_at is null
    group by 1, 2;
    return null;
end $$;
create trigger counts_new_visits after insert on stage_visits
referencing new table as added for each statement execute function lifecycle_count_visits();

create function lifecycle_count_withdrawal() returns trigger language plpgsql as $$
declare
    sign constant int := case when new.withdrawn_at is null then 1 else -1 end;
begin
    insert into flow_changes (pipeline_id, at, entered, won, lost)
    select s.pipeline_id, lifecycle_quarter(v.entered_at), sign * (v.number = 1)::int,
        sign * (s.kind = 'won')::int, sign * (s.kind = 'lost')::int
    from stage_visits v join stages s on s.id = v.stage_id
    where v.card_id = new.id and v.continues_visit_id is null and v.entered_by_edge <> 'imported_undated'
      and (v.number = 1 or s.kind <> 'open')
      and not exists (
        select from stage_visits f
        where f.card_id = v.card_id and f.number = v.number + 1 and f.continues_visit_id is not null);
    return null;
end $$;
create trigger counts_a_withdrawn_card after update on cards for each row
when ((old.withdrawn_at is null) <> (new.withdrawn_at is null)) execute function lifecycle_count_withdrawal();

-- A stage in which nothing stands may become one of another kind; what was in it once counts as that then.
create function lifecycle_count_kind() returns trigger language plpgsql as $$
begin
    -- What a move that is under way adds would be counted as the old kind.
    lock table stage_visits in share row exclusive mode;
    insert into flow_changes (pipeline_id, at, entered, won, lost)
    select new.pipeline_id, lifecycle_quarter(v.entered_at), 0,
        sum((new.kind = 'won')::int - (old.kind = 'won')::int),
        sum((new.kind = 'lost')::int - (old.kind = 'lost')::int)
    from stage_visits v join cards c on c.id = v.card_id
    where v.stage_id = new.id and c.withdrawn_at is null
      and v.continues_visit_id is null and v.entered_by_edge <> 'imported_undated'
      and not exists (
        select from stage_visits f
        where f.card_id = v.card_id and f.number = v.number + 1 and f.continues_visit_id is not null)
    group by 2;
    return null;
end $$;
create trigger counts_another_kind after update of kind on stages for each row
when (old.kind <> new.kind) execute function lifecycle_count_kind();
