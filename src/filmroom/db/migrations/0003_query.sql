-- What queries need beyond the keys of filing (index/query.py).

-- Patients one after another (PATIENT level).
CREATE INDEX patient_order ON patient (name_sort, pk) WHERE merged_into IS NULL;

-- Referring physicians whose name has more than the alphabetic group that study.referring holds.
CREATE INDEX study_referring_groups ON study (pk)
    WHERE (attributes #> '{00080090,Value,0}') ?| '{Ideographic,Phonetic}';

-- The terms of a name one after another, so that the beginning of one can be searched for (fuzzy matching).
CREATE FUNCTION name_terms_text(terms text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT RETURN ' ' || array_to_string(terms, ' ');

-- '*text*' inside names and descriptions. pg_trgm comes with every PostgreSQL and may be added by the owner of the
-- database; where it may not, such questions are answered by a scan.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
    CREATE INDEX patient_name_alphabetic_part ON patient USING gin (name_alphabetic public.gin_trgm_ops);
    CREATE INDEX patient_name_ideographic_part ON patient USING gin (name_ideographic public.gin_trgm_ops)
        WHERE name_ideographic <> '';
    CREATE INDEX patient_name_terms_part ON patient USING gin (name_terms_text(name_terms) public.gin_trgm_ops);
    CREATE INDEX study_description_part ON study USING gin (description public.gin_trgm_ops);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported OR undefined_object THEN
    RAISE WARNING 'pg_trgm cannot be added: searching for parts of names will be slow';
END $$;
