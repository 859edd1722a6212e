-- People: what proves who they are, what was tried, and what is open in their name.

ALTER TABLE account
    DROP COLUMN failed_logins,                              -- sign_in_failure counts, for names without account too
    DROP COLUMN locked_until,
    ADD COLUMN password_at    timestamptz,                  -- since when the password is in force
    ADD COLUMN one_time_until timestamptz,                  -- a one-time password works until then
    ADD COLUMN totp_sealed    bytea,                        -- the shared secret (RFC 6238), sealed; null: none
    ADD COLUMN totp_waiting   bytea,                        -- one that no code has proved yet
    ADD COLUMN totp_last_step bigint NOT NULL DEFAULT 0,    -- a code works once: steps up to this one are spent
    ADD COLUMN passkey_handle bytea,                        -- the random name that passkeys know the account by
    ADD COLUMN provider       text NOT NULL DEFAULT '',     -- who vouches: '' this archive, 'ldap', or an OIDC provider
    ADD COLUMN subject        text NOT NULL DEFAULT '',     -- its unchanging name there
    ADD COLUMN last_sign_in   timestamptz;
UPDATE account SET password_at = created_at WHERE password_hash IS NOT NULL;
CREATE UNIQUE INDEX account_subject ON account (provider, subject) WHERE provider <> '';
CREATE UNIQUE INDEX account_passkey_handle ON account (passkey_handle) WHERE passkey_handle IS NOT NULL;

-- Passwords that were: argon2id, the newest few.
CREATE TABLE old_password (
    account_pk    bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    password_hash text NOT NULL,
    until         timestamptz NOT NULL
);
CREATE INDEX old_password_account ON old_password (account_pk, until);

-- Attempts in a row that did not succeed, by name, by address and by second factor. The key is a digest: people type
-- passwords into the field of the name.
CREATE TABLE sign_in_failure (
    key          bytea PRIMARY KEY,
    failures     int NOT NULL,
    last_at      timestamptz NOT NULL,
    locked_until timestamptz
);

CREATE TABLE recovery_code (
    account_pk bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    digest     bytea NOT NULL,
    PRIMARY KEY (account_pk, digest)
);

CREATE TABLE passkey (
    pk            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_pk    bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    credential_id bytea NOT NULL UNIQUE,
    public_key    bytea NOT NULL,
    sign_count    bigint NOT NULL,
    label         text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL,
    last_used     timestamptz
);
CREATE INDEX passkey_account ON passkey (account_pk);

-- What was asked and waits for its answer: a passkey's challenge, a way to a provider and back. Each works once.
CREATE TABLE sign_in_question (
    digest     bytea PRIMARY KEY,
    kind       text NOT NULL,
    account_pk bigint REFERENCES account ON DELETE CASCADE,
    told       jsonb NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL
);

ALTER TABLE session
    ADD COLUMN pk          bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN last_seen   timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN agent       text NOT NULL DEFAULT '',
    ADD COLUMN method      text NOT NULL DEFAULT 'password',  -- password, code, passkey, oidc
    ADD COLUMN owes_factor boolean NOT NULL DEFAULT false,    -- the second factor is still to be shown
    ADD COLUMN provider    text NOT NULL DEFAULT '',
    ADD COLUMN provider_id text NOT NULL DEFAULT '';          -- the provider's own number of the session (sid)
CREATE INDEX session_account ON session (account_pk);

ALTER TABLE token
    ADD COLUMN actions   text[],                              -- null: all that the account may
    ADD COLUMN last_used timestamptz,
    ADD COLUMN last_peer text NOT NULL DEFAULT '';

-- An account with what decides about signing in.
CREATE VIEW person AS
SELECT a.pk, a.name, a.display_name, a.password_hash, a.must_change, a.roles, a.enabled, a.created_at, a.password_at,
       a.one_time_until, a.totp_sealed IS NOT NULL AS has_totp, a.provider, a.subject, a.last_sign_in,
       (SELECT count(*) FROM passkey k WHERE k.account_pk = a.pk) AS passkeys,
       a.enabled AND 'administrator' = ANY (a.roles) AND NOT EXISTS (
           SELECT 1 FROM account o
           WHERE o.pk <> a.pk AND o.enabled AND o.provider = '' AND 'administrator' = ANY (o.roles)
       ) AS last_administrator
FROM account a;
