-- Rules of storing, and corrections: what was received stays as it is; these rows say how it goes out.

-- Rules: a condition (dicom/conditions) and what is done then. ``kind``: coercion, compression.
CREATE TABLE rule (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    name        text NOT NULL,
    priority    int NOT NULL DEFAULT 0,             -- higher first
    enabled     boolean NOT NULL DEFAULT true,
    condition   text NOT NULL DEFAULT '',           -- '' is always
    actions     jsonb NOT NULL DEFAULT '[]',
    stop        boolean NOT NULL DEFAULT false,     -- no further rule of the kind is asked
    changed_at  timestamptz NOT NULL,
    changed_by  text NOT NULL,
    UNIQUE (kind, name)
);
-- How objects of a device are stored; '*' is any. The closest row counts: both named, the caller, the called, neither.
CREATE TABLE store_policy (
    calling     text COLLATE "C" NOT NULL,
    called      text COLLATE "C" NOT NULL,
    policy      jsonb NOT NULL DEFAULT '{}',        -- archive/rules_policy; absent keys mean the default
    changed_at  timestamptz NOT NULL,
    changed_by  text NOT NULL,
    PRIMARY KEY (calling, called)
);
-- Rises with every change of the two, so that each process knows when to read them again.
CREATE TABLE rules_head (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), version bigint NOT NULL);
INSERT INTO rules_head (version) VALUES (0);

-- What rules made of objects when they came. Objects that were changed alike share a row.
CREATE TABLE coercion (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest      bytea NOT NULL UNIQUE,              -- SHA-256 of the body
    body        jsonb NOT NULL                      -- {"changes": DICOM JSON, null for removed; "charset"; "rules"}
);
CREATE TABLE instance_coercion (instance_pk bigint PRIMARY KEY, coercion_pk bigint NOT NULL);

-- Attributes that somebody corrected, as they are to be now; null: not there. The journal has what was before.
CREATE TABLE correction (
    level       text NOT NULL,                      -- patient, study, series, instance
    target_pk   bigint NOT NULL,
    tag         text COLLATE "C" NOT NULL,          -- eight hex digits
    element     jsonb,                              -- DICOM JSON
    at          timestamptz NOT NULL,
    journal_pk  bigint NOT NULL,
    PRIMARY KEY (level, target_pk, tag)
);
CREATE INDEX journal_at ON journal (at);
-- Whether anything at or below the study, or its patient, goes out otherwise than it came.
ALTER TABLE study ADD COLUMN corrected boolean NOT NULL DEFAULT false;

-- Versions of objects that were replaced, until ``expires_at``. Their bytes stay where they were.
CREATE TABLE superseded (
    pk               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_pk      bigint NOT NULL,
    sop_uid          text COLLATE "C" NOT NULL,
    sop_class        text COLLATE "C" NOT NULL,
    study_uid        text COLLATE "C" NOT NULL,
    series_uid       text COLLATE "C" NOT NULL,
    transfer_syntax  text COLLATE "C" NOT NULL,
    dataset_offset   int NOT NULL,
    header_bytes     bigint NOT NULL,
    digest           bytea NOT NULL,
    source           text NOT NULL,
    received_at      timestamptz NOT NULL,
    store            text NOT NULL,
    key              text COLLATE "C" NOT NULL,
    start            bigint NOT NULL,
    size_bytes       bigint NOT NULL,
    blob_digest      bytea NOT NULL,
    reason           text NOT NULL,
    superseded_at    timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL
);
CREATE INDEX superseded_instance ON superseded (instance_pk);
CREATE INDEX superseded_expires ON superseded (expires_at);
CREATE INDEX superseded_key ON superseded (key);

-- Who decided about an object in quarantine, and why.
ALTER TABLE quarantine ADD COLUMN decided_at timestamptz, ADD COLUMN decided_by text, ADD COLUMN why text;

-- A study of a patient who was corrected, or into whom another was merged, goes out corrected from its first object on.
CREATE FUNCTION study_of_corrected_patient() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.corrected := NEW.corrected OR NEW.patient_pk <> NEW.acquired_patient_pk
        OR EXISTS (SELECT FROM correction WHERE level = 'patient' AND target_pk = NEW.patient_pk)
        OR EXISTS (SELECT FROM patient_identifier WHERE patient_pk = NEW.patient_pk AND NOT is_primary);
    RETURN NEW;
END $$;
CREATE TRIGGER study_of_corrected_patient BEFORE INSERT OR UPDATE OF patient_pk ON study
    FOR EACH ROW EXECUTE FUNCTION study_of_corrected_patient();
