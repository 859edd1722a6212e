-- Orders: imaging service requests, their requested procedures, the scheduled steps, and what was performed.

CREATE SEQUENCE accession_seq;
CREATE SEQUENCE requested_procedure_seq;
CREATE SEQUENCE scheduled_step_seq;

-- The imaging service request (PS3.3 C.4.12) with the visit it belongs to. ``attributes`` is DICOM JSON of what has no
-- column: requesting physician and service, admission, what was true of the patient when it was ordered.
CREATE TABLE imaging_order (
    pk                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient_pk        bigint NOT NULL REFERENCES patient,
    patient_id        text COLLATE "C" NOT NULL,       -- the identifier the order came with
    patient_issuer    text COLLATE "C" NOT NULL DEFAULT '',
    accession         text COLLATE "C" NOT NULL,
    accession_issuer  text COLLATE "C" NOT NULL DEFAULT '',
    placer_number     text COLLATE "C" NOT NULL DEFAULT '',
    filler_number     text COLLATE "C" NOT NULL DEFAULT '',
    admission_id      text COLLATE "C" NOT NULL DEFAULT '',
    state             text NOT NULL DEFAULT 'ORDERED',  -- ORDERED, CANCELED
    attributes        jsonb NOT NULL DEFAULT '{}',
    site_pk           bigint REFERENCES site,
    department_pk     bigint REFERENCES department,
    version           bigint NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    UNIQUE (accession, accession_issuer)
);
CREATE INDEX imaging_order_patient ON imaging_order (patient_pk);
CREATE INDEX imaging_order_patient_id ON imaging_order (patient_id);
CREATE INDEX imaging_order_placer ON imaging_order (placer_number) WHERE placer_number <> '';
CREATE INDEX imaging_order_filler ON imaging_order (filler_number) WHERE filler_number <> '';
CREATE INDEX imaging_order_admission ON imaging_order (admission_id) WHERE admission_id <> '';

-- One requested procedure (PS3.3 C.4.11): its images are one study.
CREATE TABLE requested_procedure (
    pk            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_pk      bigint NOT NULL REFERENCES imaging_order,
    procedure_id  text COLLATE "C" NOT NULL,
    study_uid     text COLLATE "C" NOT NULL,
    attributes    jsonb NOT NULL DEFAULT '{}',
    UNIQUE (order_pk, procedure_id)
);
CREATE INDEX requested_procedure_study ON requested_procedure (study_uid);
CREATE INDEX requested_procedure_id ON requested_procedure (procedure_id);

-- One step at one station (PS3.3 C.4.10): one entry of a worklist. ``attributes`` is the item of the Scheduled
-- Procedure Step Sequence without its status. Status: workflow/model.py.
CREATE TABLE scheduled_step (
    pk            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    procedure_pk  bigint NOT NULL REFERENCES requested_procedure,
    order_pk      bigint NOT NULL REFERENCES imaging_order,
    step_id       text COLLATE "C" NOT NULL,
    stations      text[] COLLATE "C" NOT NULL DEFAULT '{}',   -- AE titles
    modality      text COLLATE "C" NOT NULL DEFAULT '',
    start_date    text COLLATE "C" NOT NULL DEFAULT '',       -- YYYYMMDD
    start_time    text COLLATE "C" NOT NULL DEFAULT '',       -- HHMMSS.FFFFFF, padded, or ''
    status        text NOT NULL DEFAULT 'SCHEDULED',
    attributes    jsonb NOT NULL DEFAULT '{}',
    version       bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,
    UNIQUE (procedure_pk, step_id)
) WITH (fillfactor = 80);
CREATE INDEX scheduled_step_id ON scheduled_step (step_id);
CREATE INDEX scheduled_step_order ON scheduled_step (order_pk);
CREATE INDEX scheduled_step_day ON scheduled_step (start_date, start_time, pk);
-- What worklists show: the open steps stay few however many years of done ones lie beside them.
CREATE INDEX scheduled_step_open ON scheduled_step (start_date, start_time, pk)
    WHERE status IN ('SCHEDULED', 'ARRIVED', 'READY', 'STARTED', 'DEPARTED');
CREATE INDEX scheduled_step_stations ON scheduled_step USING gin (stations) WITH (fastupdate = off)
    WHERE status IN ('SCHEDULED', 'ARRIVED', 'READY', 'STARTED', 'DEPARTED');

-- A modality performed procedure step (PS3.4 annex F). ``attributes`` is the whole object as DICOM JSON.
CREATE TABLE performed_step (
    pk             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sop_uid        text COLLATE "C" NOT NULL UNIQUE,
    status         text NOT NULL,                    -- IN PROGRESS, COMPLETED, DISCONTINUED
    station        text COLLATE "C" NOT NULL DEFAULT '',
    source         text COLLATE "C" NOT NULL DEFAULT '',      -- calling AE title
    charset        text NOT NULL DEFAULT '',         -- (0008,0005) of its creation
    study_uids     text[] COLLATE "C" NOT NULL DEFAULT '{}',
    remarks        text[] NOT NULL DEFAULT '{}',     -- codes: unscheduled, no-such-step, other-patient
    attributes     jsonb NOT NULL,
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);
CREATE INDEX performed_step_open ON performed_step (updated_at) WHERE status = 'IN PROGRESS';
CREATE INDEX performed_step_studies ON performed_step USING gin (study_uids);

-- Which scheduled steps it performs; none when it was not scheduled, several when procedures are grouped.
CREATE TABLE performed_scheduled (
    performed_pk  bigint NOT NULL REFERENCES performed_step,
    step_pk       bigint NOT NULL REFERENCES scheduled_step,
    PRIMARY KEY (performed_pk, step_pk)
);
CREATE INDEX performed_scheduled_step ON performed_scheduled (step_pk);

-- The last worklist queries as they were asked, for the debugger; old ones go.
CREATE TABLE worklist_query (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    calling_ae  text COLLATE "C" NOT NULL,
    identifier  jsonb NOT NULL,
    fuzzy       boolean NOT NULL DEFAULT false,
    matches     int NOT NULL,
    status      int NOT NULL,
    took_ms     real NOT NULL
);
