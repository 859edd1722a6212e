-- Rights on what is not yet images, and acts that two people do together.

-- Who refers the patient, normalised as study.referring: scopes of "referred by me" hold for orders too.
ALTER TABLE imaging_order ADD COLUMN referring text COLLATE "C" NOT NULL DEFAULT '';

-- What one person asked for and another has to agree to. ``act`` names it, ``body`` is all that is needed to do it.
CREATE TABLE second_person (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    act        text NOT NULL,
    body       jsonb NOT NULL,
    why        text NOT NULL DEFAULT '',
    asked_by   text NOT NULL,
    asked_name text NOT NULL,
    asked_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state      text NOT NULL DEFAULT 'waiting',      -- waiting, done, refused
    by         text NOT NULL DEFAULT '',
    by_name    text NOT NULL DEFAULT '',
    at         timestamptz
);
CREATE INDEX second_person_waiting ON second_person (expires_at) WHERE state = 'waiting';

-- Whether duties are separated (security.separate_duties), for what the database itself judges.
ALTER TABLE rights_version ADD COLUMN separate boolean NOT NULL DEFAULT false;

-- The last who can administer stays: the last administrator, and where duties are separated the last security officer,
-- of those whose password is kept here.
CREATE OR REPLACE VIEW person AS
SELECT a.pk, a.name, a.display_name, a.password_hash, a.must_change, a.roles, a.enabled, a.created_at, a.password_at,
       a.one_time_until, a.totp_sealed IS NOT NULL AS has_totp, a.provider, a.subject, a.last_sign_in,
       (SELECT count(*) FROM passkey k WHERE k.account_pk = a.pk) AS passkeys,
       a.enabled AND EXISTS (
           SELECT FROM unnest(a.roles) AS mine (role)
           WHERE (mine.role = 'administrator'
                  OR (mine.role = 'security-officer' AND (SELECT separate FROM rights_version)))
             AND NOT EXISTS (
                 SELECT FROM account o
                 WHERE o.pk <> a.pk AND o.enabled AND o.provider = '' AND mine.role = ANY (o.roles)
             )
       ) AS last_administrator
FROM account a;

-- Orders and steps are records of patients too, and who is named by an account's name has its number in the trail.
CREATE OR REPLACE FUNCTION audit_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (at, kind, who, what, target, detail)
    VALUES (NEW.at,
            CASE WHEN NEW.action LIKE '%delete%' AND NEW.target ~ '^(study|series|instance):' THEN 'deleted'
                 WHEN NEW.target ~ '^(study|series|instance|patient|order|step):' THEN 'changed' ELSE 'configured' END,
            coalesce((SELECT 'person:' || a.pk FROM account a WHERE a.name = NEW.who), NEW.who),
            NEW.action, NEW.target, jsonb_build_object('why', NEW.why, 'journal', NEW.pk));
    RETURN NULL;
END $$;
