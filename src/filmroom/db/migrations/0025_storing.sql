-- Storing, completed: objects in another form than they came in, and one SOP Instance UID in two series.

-- What compression made of an object, or why it was left as it is. ``made_digest`` is written before the bytes are: so
-- bytes that a crash leaves without a row are known for what they are.
CREATE TABLE compression (
    instance_pk      bigint PRIMARY KEY,
    state            text NOT NULL,                 -- making, done, left, derived
    rule             text NOT NULL,
    target           text COLLATE "C" NOT NULL,     -- transfer syntax
    reason           text NOT NULL DEFAULT '',      -- why it was left
    received_digest  bytea NOT NULL,                -- SHA-256 of the data set as it was received
    received_syntax  text COLLATE "C" NOT NULL,
    received_bytes   bigint NOT NULL,
    made_digest      bytea,
    made_bytes       bigint,
    pixel_digest     bytea,                         -- SHA-256 of the decoded pixels, proven the same before and after
    at               timestamptz NOT NULL
);
CREATE INDEX compression_done ON compression (rule) WHERE state = 'done';
-- How far through the archive a rule has come; it begins anew when the rules of compression are others.
CREATE TABLE compression_cursor (rule text PRIMARY KEY, revision bytea NOT NULL, reached bigint NOT NULL);

-- Since when a process has been there: one that begins while others go on is no restart of the archive.
ALTER TABLE live_node ADD COLUMN started_at timestamptz NOT NULL DEFAULT now();

-- One SOP Instance UID in another series too, where the policy says "beside": ``copy`` 0 is the one that came last.
ALTER TABLE instance ADD COLUMN copy smallint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX instance_sop_uid_copy ON instance (sop_uid, copy);
ALTER TABLE instance DROP CONSTRAINT instance_sop_uid_key;
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('file_objects'::regproc),
                    'ON CONFLICT (sop_uid) DO NOTHING', 'ON CONFLICT (sop_uid, copy) DO NOTHING');
END $$;

-- A new study is of the site and department of the device that sent it; one that no such device sent is of none.
CREATE FUNCTION place_study(p_study bigint, p_source text) RETURNS void LANGUAGE sql AS $$
    UPDATE study SET site_pk = d.site_pk, department_pk = d.department_pk
    FROM device AS d WHERE d.ae_title = p_source AND d.site_pk IS NOT NULL AND study.pk = p_study
$$;
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('file_series'::regproc), 'v_new := v_new || v_pk;',
                    'v_new := v_new || v_pk; PERFORM place_study(v_pk, v_record ->> ''source'');');
    IF pg_get_functiondef('file_series'::regproc) NOT LIKE '%place_study%'
       OR pg_get_functiondef('file_objects'::regproc) NOT LIKE '%(sop_uid, copy)%' THEN
        RAISE EXCEPTION 'filing is not as this migration knows it';
    END IF;
END $$;
