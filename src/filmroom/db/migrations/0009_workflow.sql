-- Unified procedure steps (PS3.4 annex CC), study completeness, notices to other nodes.

-- ``attributes`` is the whole object as DICOM JSON without its transaction UID, which is a lock and is never given out.
-- A deleted item leaves its row, so that whoever asks hears that it once was; its attributes are gone.
CREATE TABLE workitem (
    pk               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sop_uid          text COLLATE "C" NOT NULL UNIQUE,
    state            text COLLATE "C" NOT NULL,               -- SCHEDULED, IN PROGRESS, COMPLETED, CANCELED
    transaction_uid  text COLLATE "C" NOT NULL DEFAULT '',
    label            text COLLATE "C" NOT NULL DEFAULT '',
    worklist_label   text COLLATE "C" NOT NULL DEFAULT '',
    priority         text COLLATE "C" NOT NULL DEFAULT '',
    readiness        text COLLATE "C" NOT NULL DEFAULT '',
    start_at         text COLLATE "C" NOT NULL DEFAULT '',    -- YYYYMMDDHHMMSS.FFFFFF
    patient_id       text COLLATE "C" NOT NULL DEFAULT '',
    study_uid        text COLLATE "C" NOT NULL DEFAULT '',
    source           text COLLATE "C" NOT NULL DEFAULT '',    -- who created it
    charset          text NOT NULL DEFAULT '',
    attributes       jsonb NOT NULL,
    version          bigint NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    deleted_at       timestamptz
) WITH (fillfactor = 80);
CREATE INDEX workitem_order ON workitem (start_at, pk) WHERE deleted_at IS NULL;
CREATE INDEX workitem_open ON workitem (state, start_at, pk) WHERE state IN ('SCHEDULED', 'IN PROGRESS');
CREATE INDEX workitem_patient ON workitem (patient_id) WHERE patient_id <> '';
CREATE INDEX workitem_study ON workitem (study_uid) WHERE study_uid <> '';
CREATE INDEX workitem_finished ON workitem (finished_at) WHERE finished_at IS NOT NULL AND deleted_at IS NULL;

-- Who hears of an item. A deletion lock keeps a finished item until its holder lets go (CC.2.3).
CREATE TABLE workitem_subscription (
    workitem_pk    bigint NOT NULL REFERENCES workitem ON DELETE CASCADE,
    receiver       text COLLATE "C" NOT NULL,
    deletion_lock  boolean NOT NULL,
    PRIMARY KEY (workitem_pk, receiver)
);
CREATE INDEX workitem_subscription_receiver ON workitem_subscription (receiver);

-- Who hears of every new item, or of those that match ``keys`` (a C-FIND identifier as DICOM JSON).
CREATE TABLE workitem_global (
    receiver       text COLLATE "C" NOT NULL,
    filtered       boolean NOT NULL,
    deletion_lock  boolean NOT NULL,
    keys           jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (receiver, filtered)
);

-- Event reports as they were made (table CC.2.4-1), for those who are to get them; old ones go.
CREATE TABLE workitem_event (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sop_uid     text COLLATE "C" NOT NULL,
    event_type  int NOT NULL,
    attributes  jsonb NOT NULL,
    receivers   text[] COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX workitem_event_at ON workitem_event (at);

-- The version at which a study was last said to be complete, and why.
CREATE TABLE study_complete (
    study_pk  bigint PRIMARY KEY,
    version   bigint NOT NULL,
    reason    text NOT NULL,              -- quiet, performed, expected
    at        timestamptz NOT NULL
);
-- How many objects somebody who knows expects of a study: (0020,1208) as an order or an administrator said it.
CREATE TABLE study_expected (
    study_uid    text COLLATE "C" PRIMARY KEY,
    n_instances  int NOT NULL CHECK (n_instances > 0),
    source       text NOT NULL DEFAULT '',
    at           timestamptz NOT NULL
);

-- Instance availability notifications that others sent us (PS3.4 annex R).
CREATE TABLE availability_notice (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sop_uid     text COLLATE "C" NOT NULL UNIQUE,
    source      text COLLATE "C" NOT NULL,
    study_uid   text COLLATE "C" NOT NULL,
    attributes  jsonb NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX availability_notice_study ON availability_notice (study_uid);

-- How far a performed procedure step has been passed on to another node.
CREATE TABLE performed_forward (
    performed_pk  bigint NOT NULL REFERENCES performed_step ON DELETE CASCADE,
    ae_title      text COLLATE "C" NOT NULL,
    created       boolean NOT NULL DEFAULT false,
    version       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (performed_pk, ae_title)
);

-- Performed procedure steps whose objects have all been said to be here.
CREATE TABLE performed_available (
    performed_pk  bigint PRIMARY KEY REFERENCES performed_step ON DELETE CASCADE,
    at            timestamptz NOT NULL
);
