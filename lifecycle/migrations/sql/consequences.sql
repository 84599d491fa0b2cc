-- What a client accepted stays as they accepted it, whatever code writes: the answer, its proof, and what was shown
-- (E8, W16). An accepted request can only be closed.

create function lifecycle_guard_answer() returns trigger language plpgsql as $$
declare
    mutable constant text[] := array['closed_at', 'closed_why'];
begin
    if tg_op = 'DELETE' then
        raise exception 'client request %: a request is never deleted', old.id
            using errcode = 'integrity_constraint_violation';
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
create trigger answer_is_final before update or delete on client_requests
    for each row execute function lifecycle_guard_answer();
