-- Exports: who took what out, for which reason, how it stands; and the projects for which objects are de-identified.

-- ``key`` is the secret of the project's pseudonyms: with it an object's UID can be made again from the original one.
CREATE TABLE deidentification_project (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    key         bytea NOT NULL,
    prefix      text NOT NULL,                      -- of Patient IDs
    options     text[] NOT NULL DEFAULT '{}',
    templates   jsonb NOT NULL DEFAULT '[]',        -- where text is burned in: [{"when": condition, "black": [[l, t, w, h]]}]
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE export (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('zip', 'folder', 'device')),
    destination text NOT NULL,                      -- AE title, or folder; '' for a ZIP file
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed', 'cancelled')),
    principal   text NOT NULL,
    reason      text NOT NULL,
    project_pk  bigint,
    trust       boolean NOT NULL DEFAULT false,     -- the exporter has looked: nothing is burned in
    total       int NOT NULL,
    written     int NOT NULL DEFAULT 0,
    withheld    int NOT NULL DEFAULT 0,
    failed      int NOT NULL DEFAULT 0,
    size_bytes  bigint NOT NULL DEFAULT 0,
    report      jsonb NOT NULL DEFAULT '{}',        -- attribute -> what was done -> how often; never a value
    path        text,
    job_pk      bigint,
    delivery_pk bigint,                             -- what went to a device as it is
    trouble     text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    finished_at timestamptz,
    removed_at  timestamptz                         -- the files are gone; the record stays
);
CREATE INDEX export_principal ON export (principal, pk DESC);

CREATE TABLE export_item (
    export_pk   bigint NOT NULL,
    n           int NOT NULL,
    study_uid   text NOT NULL,
    sop_uid     text NOT NULL,
    state       text NOT NULL DEFAULT 'waiting',    -- waiting, written, withheld, failed
    comment     text NOT NULL DEFAULT '',
    PRIMARY KEY (export_pk, n)
);
CREATE INDEX export_item_study ON export_item (study_uid);
