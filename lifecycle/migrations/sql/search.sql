-- Accent-blind, case-blind text for searching; immutable so that it can be indexed.
create extension if not exists unaccent;
create extension if not exists pg_trgm;
create function lifecycle_fold(value text) returns text
    language sql immutable parallel safe strict
    as $$ select lower(public.unaccent('public.unaccent'::regdictionary, value)) $$;
