-- What a client accepted never changes; the paper of it is made afterwards, once (E18).

create or replace function lifecycle_guard_answer() returns trigger language plpgsql as $$
declare
    mutable text[] := array['closed_at', 'closed_why'];
begin
    if tg_op = 'DELETE' then
        raise exception 'client request %: a request is never deleted', old.id
            using errcode = 'integrity_constraint_violation';
    end if;
    if old.paper_id is null then
        mutable := mutable || array['paper_id'];
    end if;
    if old.status = 'accepted' and (to_jsonb(new) - mutable) is distinct from (to_jsonb(old) - mutable) then
        raise exception 'client request %: what the client accepted cannot be changed', old.id
            using errcode = 'integrity_constraint_violation';
    end if;
    if new.status = 'accepted' and (new.answered_at is null or new.proof = '{}'::jsonb) then
        raise exception 'client request %: nothing is accepted without its proof', new.id
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;
