-- The ground: people and devices, patients to instances, where bytes are, what happened, what is to be done.
-- Keys are bigint; the ingest path has no foreign keys (rows are written in one transaction by one function).

CREATE TABLE site (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE
);
CREATE TABLE department (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_pk     bigint NOT NULL REFERENCES site,
    name        text NOT NULL,
    UNIQUE (site_pk, name)
);

-- People and programs that sign in. Roles are names from security/roles.py.
CREATE TABLE account (
    pk            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL,
    display_name  text NOT NULL DEFAULT '',
    password_hash text,                       -- argon2id; null: cannot sign in with a password
    must_change   boolean NOT NULL DEFAULT false,
    roles         text[] NOT NULL DEFAULT '{}',
    enabled       boolean NOT NULL DEFAULT true,
    failed_logins int NOT NULL DEFAULT 0,
    locked_until  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX account_name ON account (lower(name));

CREATE TABLE session (
    id_digest   bytea PRIMARY KEY,            -- SHA-256 of the cookie: the table alone opens no door
    account_pk  bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    peer        text NOT NULL DEFAULT ''
);
CREATE TABLE token (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest      bytea NOT NULL UNIQUE,
    account_pk  bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    label       text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz,
    revoked_at  timestamptz
);

-- DICOM peers. What a device may do stands in ``policy`` (archive/devices); absent keys mean the default.
CREATE TABLE device (
    pk            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ae_title      text COLLATE "C" NOT NULL UNIQUE,
    host          text NOT NULL,
    port          int NOT NULL CHECK (port BETWEEN 1 AND 65535),
    description   text NOT NULL DEFAULT '',
    enabled       boolean NOT NULL DEFAULT true,
    policy        jsonb NOT NULL DEFAULT '{}',
    site_pk       bigint REFERENCES site,
    department_pk bigint REFERENCES department,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- The patient as known now. ``attributes`` is the patient module as DICOM JSON (PS3.18 F.2); the other columns are
-- what is searched and sorted. Name columns hold the normalised form (dicom.attributes.normalise_name).
CREATE TABLE patient (
    pk               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name_alphabetic  text COLLATE "C" NOT NULL DEFAULT '',
    name_ideographic text COLLATE "C" NOT NULL DEFAULT '',
    name_phonetic    text COLLATE "C" NOT NULL DEFAULT '',
    name_terms       text[] NOT NULL DEFAULT '{}',   -- words, pinyin, initials, bigrams: what fuzzy search looks in
    name_sort        text COLLATE "C" NOT NULL DEFAULT '',
    birth_date       text COLLATE "C" NOT NULL DEFAULT '',
    sex              text COLLATE "C" NOT NULL DEFAULT '',
    attributes       jsonb NOT NULL DEFAULT '{}',
    merged_into      bigint REFERENCES patient,
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX patient_name_alphabetic ON patient (name_alphabetic);
CREATE INDEX patient_name_ideographic ON patient (name_ideographic) WHERE name_ideographic <> '';
CREATE INDEX patient_name_phonetic ON patient (name_phonetic) WHERE name_phonetic <> '';
CREATE INDEX patient_name_terms ON patient USING gin (name_terms);
CREATE INDEX patient_birth_date ON patient (birth_date);

-- A patient has many identifiers, each with its issuer; an identifier moves by merge. An empty issuer is "ours".
-- An object without Patient ID gets a patient of its own study, keyed value '' and issuer 'study:<Study Instance UID>'.
CREATE TABLE patient_identifier (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_pk  bigint NOT NULL REFERENCES patient DEFERRABLE INITIALLY DEFERRED,
    value       text COLLATE "C" NOT NULL,
    issuer      text COLLATE "C" NOT NULL DEFAULT '',
    qualifiers  jsonb NOT NULL DEFAULT '{}',      -- universal entity id and type, assigning facility ...
    is_primary  boolean NOT NULL DEFAULT true,
    UNIQUE (value, issuer)
);
CREATE INDEX patient_identifier_patient ON patient_identifier (patient_pk);

CREATE TABLE study (
    pk                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_uid           text COLLATE "C" NOT NULL UNIQUE,
    patient_pk          bigint NOT NULL,              -- whose it is now
    acquired_patient_pk bigint NOT NULL,              -- for whom it was acquired
    study_date          text COLLATE "C" NOT NULL DEFAULT '',   -- YYYYMMDD or ''
    study_time          text COLLATE "C" NOT NULL DEFAULT '',   -- HHMMSS.FFFFFF, padded, or ''
    accession           text COLLATE "C" NOT NULL DEFAULT '',
    accession_issuer    text COLLATE "C" NOT NULL DEFAULT '',
    study_id            text COLLATE "C" NOT NULL DEFAULT '',
    description         text COLLATE "C" NOT NULL DEFAULT '',   -- case-folded
    referring           text COLLATE "C" NOT NULL DEFAULT '',   -- normalised name
    modalities          text[] NOT NULL DEFAULT '{}',
    sop_classes         text[] NOT NULL DEFAULT '{}',
    attributes          jsonb NOT NULL DEFAULT '{}',
    n_series            int NOT NULL DEFAULT 0,
    n_instances         int NOT NULL DEFAULT 0,
    size_bytes          bigint NOT NULL DEFAULT 0,
    version             bigint NOT NULL DEFAULT 1,    -- changes with any change below it
    state               text NOT NULL DEFAULT 'visible',
    site_pk             bigint,
    department_pk       bigint,
    received_first      timestamptz NOT NULL,
    received_last       timestamptz NOT NULL,
    quiet_version       bigint NOT NULL DEFAULT 0,    -- version for which StudyQuiet was written
    used_at             timestamptz
) WITH (fillfactor = 80);
CREATE INDEX study_patient ON study (patient_pk);
CREATE INDEX study_date_order ON study (study_date DESC, study_time DESC, pk DESC);
CREATE INDEX study_accession ON study (accession) WHERE accession <> '';
CREATE INDEX study_study_id ON study (study_id) WHERE study_id <> '';
CREATE INDEX study_modalities ON study USING gin (modalities);
CREATE INDEX study_referring ON study (referring) WHERE referring <> '';
-- Studies that still wait to be quiet. Not an index on ``study``: an index on a column that changes with every object
-- would make each update write into all indexes of the row.
CREATE TABLE study_settling (study_pk bigint PRIMARY KEY);

CREATE TABLE series (
    pk             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_uid     text COLLATE "C" NOT NULL,
    study_pk       bigint NOT NULL,
    modality       text COLLATE "C" NOT NULL DEFAULT '',
    series_number  int,
    description    text COLLATE "C" NOT NULL DEFAULT '',        -- case-folded
    body_part      text COLLATE "C" NOT NULL DEFAULT '',
    station_name   text COLLATE "C" NOT NULL DEFAULT '',
    institution    text COLLATE "C" NOT NULL DEFAULT '',
    pps_date       text COLLATE "C" NOT NULL DEFAULT '',
    pps_time       text COLLATE "C" NOT NULL DEFAULT '',
    attributes     jsonb NOT NULL DEFAULT '{}',
    sop_classes    text[] NOT NULL DEFAULT '{}',
    n_instances    int NOT NULL DEFAULT 0,
    size_bytes     bigint NOT NULL DEFAULT 0,
    version        bigint NOT NULL DEFAULT 1,
    state          text NOT NULL DEFAULT 'visible',
    received_last  timestamptz NOT NULL,
    UNIQUE (study_pk, series_uid)
) WITH (fillfactor = 80);
CREATE INDEX series_uid ON series (series_uid);

-- One row an object; small, for there are billions. Partitioning by pk range is possible: nothing refers to it by
-- foreign key.
CREATE TABLE instance (
    pk               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sop_uid          text COLLATE "C" NOT NULL UNIQUE,
    series_pk        bigint NOT NULL,
    study_pk         bigint NOT NULL,
    sop_class        text COLLATE "C" NOT NULL,
    transfer_syntax  text COLLATE "C" NOT NULL,
    instance_number  int,
    rows             int,
    columns          int,
    bits_allocated   int,
    frames           int,
    content_date     text COLLATE "C" NOT NULL DEFAULT '',
    content_time     text COLLATE "C" NOT NULL DEFAULT '',
    attributes       jsonb,                         -- further image-level keys, null for most images
    dataset_offset   int NOT NULL,                  -- bytes of preamble and group 2 before the data set
    header_bytes     bigint NOT NULL,               -- data set bytes before the pixel data element, or all of them
    size_bytes       bigint NOT NULL,               -- of the stored blob, Part 10 header included
    digest           bytea NOT NULL,                -- SHA-256 of the data set as received
    source           text NOT NULL DEFAULT '',      -- calling AE title, or the door's own name
    state            text NOT NULL DEFAULT 'visible',   -- visible, rejected, deleted, tombstone
    rejection        text,                              -- code of the rejection note, when rejected
    received_at      timestamptz NOT NULL
);
CREATE INDEX instance_series ON instance (series_pk, instance_number, pk);
CREATE INDEX instance_study ON instance (study_pk);

-- One row per copy of an object's bytes.
CREATE TABLE location (
    instance_pk  bigint NOT NULL,
    store        text NOT NULL,
    key          text COLLATE "C" NOT NULL,         -- of the blob that holds the object
    start        bigint NOT NULL DEFAULT 0,         -- first byte of the object in it
    size_bytes   bigint NOT NULL,
    -- SHA-256 over the SHA-256 of its file header (preamble, group 2) and the SHA-256 of its data set: so that the
    -- data set, whose own digest is in ``instance``, is hashed once on its way in.
    digest       bytea NOT NULL,
    state        text NOT NULL DEFAULT 'good',      -- good, missing, corrupt, leaving
    PRIMARY KEY (instance_pk, store)
);
CREATE INDEX location_key ON location (key);

-- Ready-made DICOM JSON of a series version (archive/seriesdoc): a zstd-compressed array, bulk data by address.
CREATE TABLE series_document (
    series_pk   bigint PRIMARY KEY,
    version     bigint NOT NULL,
    body        bytea NOT NULL,
    made_at     timestamptz NOT NULL
);
ALTER TABLE series_document ALTER COLUMN body SET STORAGE EXTERNAL;   -- already compressed

-- What was received is never overwritten: corrections, merges, moves, rejections, deletions.
CREATE TABLE journal (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    who        text NOT NULL,
    why        text NOT NULL DEFAULT '',
    action     text NOT NULL,
    target     text COLLATE "C" NOT NULL,           -- kind and id, 'study:1.2.3'
    before     jsonb,
    after      jsonb,
    undone_by  bigint REFERENCES journal
);
CREATE INDEX journal_target ON journal (target);

-- The feed. ``seq`` has no gaps and rises in commit order: it is taken from the one row of feed_head, whose lock
-- is held from there to the commit, so a writer appends its facts last.
CREATE TABLE feed_head (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), seq bigint NOT NULL);
INSERT INTO feed_head (seq) VALUES (0);
CREATE TABLE fact (
    seq   bigint PRIMARY KEY,
    at    timestamptz NOT NULL,
    kind  text NOT NULL,
    body  jsonb NOT NULL
);
CREATE TABLE feed_cursor (reader text PRIMARY KEY, seq bigint NOT NULL);

-- Durable work.
CREATE TABLE job (
    pk            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL,
    body          jsonb NOT NULL DEFAULT '{}',
    queue         text NOT NULL DEFAULT 'default',
    serial_key    text,                               -- jobs with the same key run one at a time, in order
    priority      int NOT NULL DEFAULT 0,             -- higher first
    principal     text NOT NULL DEFAULT 'system',     -- for whom it acts
    state         text NOT NULL DEFAULT 'waiting',    -- waiting, running, done, dead, cancelled
    due_at        timestamptz NOT NULL,
    attempts      int NOT NULL DEFAULT 0,
    max_attempts  int NOT NULL DEFAULT 10,
    retry_until   timestamptz,
    lease_until   timestamptz,
    worker        text,
    progress      jsonb,
    last_error    text,
    created_at    timestamptz NOT NULL,
    finished_at   timestamptz
) WITH (fillfactor = 80);
CREATE INDEX job_due ON job (queue, priority DESC, due_at, pk) WHERE state = 'waiting';
CREATE INDEX job_lease ON job (lease_until) WHERE state = 'running';
CREATE INDEX job_serial ON job (serial_key) WHERE state IN ('waiting', 'running') AND serial_key IS NOT NULL;

-- What could not be filed: the bytes stay in the store under ``key`` until somebody decides.
CREATE TABLE quarantine (
    pk               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at               timestamptz NOT NULL,
    door             text NOT NULL,                   -- dimse, stow, import
    source           text NOT NULL DEFAULT '',
    reason           text NOT NULL,                   -- a code: not-readable, no-uid, conflict ...
    detail           text NOT NULL DEFAULT '',
    sop_class        text,
    sop_uid          text COLLATE "C",
    transfer_syntax  text,
    key              text NOT NULL,
    size_bytes       bigint NOT NULL,
    digest           bytea NOT NULL,
    state            text NOT NULL DEFAULT 'waiting'  -- waiting, requeued, discarded
);
CREATE INDEX quarantine_waiting ON quarantine (at) WHERE state = 'waiting';
