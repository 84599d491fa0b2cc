-- What the floor writes: rows as many and as wide as a move's, without a trigger, a check or a foreign key.
drop schema if exists floor cascade;
create schema floor;
create table floor.cards (id uuid primary key, pipeline_id bigint, stage_id bigint, board_order bigint, body text);
create index on floor.cards (stage_id, board_order, id);
create table floor.added (
    id bigint generated always as identity primary key, at timestamptz default now(), card_id uuid, body text
);
create index on floor.added (card_id);
insert into floor.cards
select id, pipeline_id, stage_id, board_order, repeat('x', 600) from public.cards where archived_at is null;
analyze floor.cards;
