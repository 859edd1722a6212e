-- Who may see and do what beyond the ready roles, and the record of who did.

-- Roles of one's own, beside those of security/roles.py.
CREATE TABLE role (
    name       text PRIMARY KEY,
    actions    text[] NOT NULL,
    scopes     jsonb NOT NULL DEFAULT '[{}]',        -- security.scopes.Scope, any of them
    help       text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- A role given to a person or device ('person:7', 'device:CT1') with a scope that narrows it.
CREATE TABLE role_grant (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    principal  text NOT NULL,
    role       text NOT NULL,
    scope      jsonb NOT NULL DEFAULT '{}',
    changed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (principal, role)
);

-- The names (normalised, as study.referring) under which somebody refers patients.
CREATE TABLE referring_name (
    principal text NOT NULL,
    name      text COLLATE "C" NOT NULL,
    PRIMARY KEY (principal, name)
);

-- Changes with everything above, so that a node knows by one number whether what it remembers still holds.
CREATE TABLE rights_version (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), version bigint NOT NULL);
INSERT INTO rights_version (version) VALUES (1);

CREATE TABLE patient_list (
    pk   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);
CREATE TABLE patient_list_member (
    list_pk    bigint NOT NULL REFERENCES patient_list ON DELETE CASCADE,
    patient_pk bigint NOT NULL,
    PRIMARY KEY (list_pk, patient_pk)
);
CREATE INDEX patient_list_member_patient ON patient_list_member (patient_pk);

CREATE TABLE study_assignee (
    study_pk  bigint NOT NULL,
    principal text NOT NULL,
    PRIMARY KEY (study_pk, principal)
);

ALTER TABLE study ADD COLUMN sensitivity smallint NOT NULL DEFAULT 0;

-- Patients kept out of sight until somebody breaks the glass: known persons (vip), and the staff themselves.
CREATE TABLE protected_patient (
    patient_pk bigint PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('vip', 'staff')),
    why        text NOT NULL DEFAULT '',
    by         text NOT NULL,
    at         timestamptz NOT NULL
);

CREATE TABLE broken_glass (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    principal  text NOT NULL,
    name       text NOT NULL,
    patient_pk bigint NOT NULL,
    reason     text NOT NULL,
    at         timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_by   text NOT NULL DEFAULT ''
);
CREATE INDEX broken_glass_patient ON broken_glass (patient_pk, principal);

-- Links for people without an account. The digest alone opens nothing.
CREATE TABLE share (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest      bytea NOT NULL UNIQUE,
    studies     text[] NOT NULL,
    label       text NOT NULL DEFAULT '',
    pin_hash    text,
    wrong_pins  int NOT NULL DEFAULT 0,
    download    boolean NOT NULL DEFAULT false,
    max_opens   int,
    opens       int NOT NULL DEFAULT 0,
    made_by     text NOT NULL,
    made_by_name text NOT NULL,
    made_at     timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz
);

CREATE TABLE share_session (
    digest     bytea PRIMARY KEY,
    share_pk   bigint NOT NULL REFERENCES share ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);

-- The audit trail. Rows are only ever added; each carries the hash over the one before and over its own text, so that
-- nothing can be changed, put in or taken out unnoticed. ``body`` is the record; the columns are copies to search by.
CREATE TABLE audit_event (
    seq        bigint PRIMARY KEY,                   -- from 1, without gaps
    id         uuid NOT NULL UNIQUE,                 -- given where it happened: what is written twice is kept once
    at         timestamptz NOT NULL,
    kind       text NOT NULL,
    outcome    smallint NOT NULL,                    -- 0, 4, 8, 12 (DICOM PS3.15 A.5.2.1)
    who        text NOT NULL,
    who_name   text NOT NULL,
    door       text NOT NULL,
    patients   text[] NOT NULL DEFAULT '{}',         -- Patient IDs
    studies    text[] NOT NULL DEFAULT '{}',
    body       text NOT NULL,
    hash       bytea NOT NULL
);
CREATE INDEX audit_event_at ON audit_event (at);
CREATE INDEX audit_event_who ON audit_event (who, seq);
CREATE INDEX audit_event_patients ON audit_event USING gin (patients);
CREATE INDEX audit_event_studies ON audit_event USING gin (studies);
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('filmroom.audit_prune', true) = 'on' AND TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is only added to';
END $$;
CREATE TRIGGER audit_event_kept BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_event_not_emptied BEFORE TRUNCATE ON audit_event EXECUTE FUNCTION audit_append_only();

-- The end of the chain; its lock is held from an append to the commit. The signature says that we wrote it.
CREATE TABLE audit_head (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq       bigint NOT NULL,
    hash      bytea NOT NULL,
    at        timestamptz,
    key_id    text NOT NULL DEFAULT '',
    signature bytea
);
INSERT INTO audit_head (seq, hash) VALUES (0, '\x');
CREATE TABLE audit_checkpoint (
    seq       bigint PRIMARY KEY,
    hash      bytea NOT NULL,
    at        timestamptz NOT NULL,
    kind      text NOT NULL DEFAULT 'checkpoint',    -- or 'pruned': what is older was forgotten in time
    key_id    text NOT NULL,
    signature bytea NOT NULL
);

-- What the journal and the deliveries enter, in their own transactions, for the trail to take over.
CREATE TABLE audit_pending (
    pk     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    kind   text NOT NULL,
    who    text NOT NULL,
    what   text NOT NULL,
    target text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE FUNCTION audit_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (at, kind, who, what, target, detail)
    VALUES (NEW.at,
            CASE WHEN NEW.action LIKE '%delete%' AND NEW.target ~ '^(study|series|instance):' THEN 'deleted'
                 WHEN NEW.target ~ '^(study|series|instance|patient):' THEN 'changed' ELSE 'configured' END,
            NEW.who, NEW.action, NEW.target, jsonb_build_object('why', NEW.why, 'journal', NEW.pk));
    RETURN NULL;
END $$;
-- What rules coerce on its way in is no act of anybody's.
CREATE TRIGGER journal_audited AFTER INSERT ON journal FOR EACH ROW WHEN (NEW.action <> 'coerce')
    EXECUTE FUNCTION audit_journal();
CREATE FUNCTION audit_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (at, kind, who, what, target, detail)
    VALUES (NEW.created_at, 'exported', NEW.principal, 'delivery', 'delivery:' || NEW.pk,
            jsonb_build_object('destination', NEW.ae_title, 'instances', NEW.n_items, 'reason', NEW.reason));
    RETURN NULL;
END $$;
CREATE TRIGGER delivery_audited AFTER INSERT ON delivery FOR EACH ROW EXECUTE FUNCTION audit_delivery();

-- How far the trail was sent to an audit repository.
CREATE TABLE audit_cursor (reader text PRIMARY KEY, seq bigint NOT NULL);
