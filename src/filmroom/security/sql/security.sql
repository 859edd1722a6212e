-- name: account_by_name
SELECT * FROM person WHERE lower(name) = lower(:name);

-- name: account_by_pk
SELECT * FROM person WHERE pk = :pk;

-- name: account_by_subject
SELECT * FROM person WHERE provider = :provider AND subject = :subject;

-- name: accounts
SELECT * FROM person ORDER BY lower(name);

-- name: any_account
SELECT EXISTS (SELECT 1 FROM account);

-- name: lock_accounts
-- Two nodes that start at once must not both make a first administrator, nor two changes both take the last one away.
SELECT pg_advisory_xact_lock(x'46494c4d4143'::bigint);

-- name: add_account
INSERT INTO account (name, display_name, password_hash, must_change, roles, password_at, one_time_until)
VALUES (:name, :display_name, :password_hash, :must_change, :roles, :now, :one_time_until)
ON CONFLICT DO NOTHING
RETURNING pk;

-- name: add_vouched
INSERT INTO account (name, display_name, roles, provider, subject)
VALUES (:name, :display_name, :roles, :provider, :subject)
ON CONFLICT DO NOTHING
RETURNING pk;

-- name: keep_old_password
INSERT INTO old_password (account_pk, password_hash, until)
SELECT pk, password_hash, :now FROM account WHERE pk = :pk AND password_hash IS NOT NULL;

-- name: forget_old_passwords
DELETE FROM old_password o
WHERE o.account_pk = :pk AND o.until < (
    SELECT min(kept.until) FROM (
        SELECT until FROM old_password WHERE account_pk = :pk ORDER BY until DESC LIMIT :most
    ) kept
);

-- name: old_passwords
SELECT password_hash FROM old_password WHERE account_pk = :pk ORDER BY until DESC LIMIT :most;

-- name: set_password
UPDATE account SET password_hash = :password_hash, must_change = :must_change, password_at = :now,
    one_time_until = :one_time_until
WHERE pk = :pk;

-- name: set_enabled
UPDATE account SET enabled = :enabled WHERE pk = :pk;

-- name: set_roles
UPDATE account SET roles = :roles WHERE pk = :pk;

-- name: set_display_name
UPDATE account SET display_name = :display_name WHERE pk = :pk;

-- name: signed_in
UPDATE account SET last_sign_in = :now WHERE pk = :pk;

-- name: count_attempt
-- Nothing comes back while the key is locked. The count starts anew once the last failure is long ago.
INSERT INTO sign_in_failure AS f (key, failures, last_at) VALUES (:key, 1, :now::timestamptz)
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN f.last_at <= :forgiven::timestamptz THEN 1 ELSE f.failures + 1 END,
    last_at = :now::timestamptz,
    locked_until = CASE WHEN f.last_at > :forgiven::timestamptz AND f.failures + 1 >= :free::int
        THEN :now::timestamptz + make_interval(
            secs => least(:longest_s::float8, :first_s::float8 * power(2, least(f.failures + 1 - :free::int, 20)))
        ) END
WHERE f.locked_until IS NULL OR f.locked_until <= :now::timestamptz
RETURNING failures;

-- name: locked_until
SELECT locked_until FROM sign_in_failure WHERE key = :key;

-- name: uncount_attempt
UPDATE sign_in_failure SET failures = greatest(failures - 1, 0), locked_until = NULL WHERE key = :key;

-- name: forget_failures
DELETE FROM sign_in_failure WHERE key = :key;

-- name: locks
SELECT key, locked_until FROM sign_in_failure WHERE locked_until > :now;

-- name: forget_old_failures
DELETE FROM sign_in_failure WHERE last_at < :before;

-- name: add_session
INSERT INTO session (id_digest, account_pk, created_at, last_seen, expires_at, peer, agent, method, owes_factor,
                     provider, provider_id)
VALUES (:digest, :account_pk, :now, :now, :expires_at, :peer, :agent, :method, :owes_factor, :provider, :provider_id)
RETURNING pk;

-- name: session
SELECT p.*, s.pk AS session_pk, s.expires_at, s.method, s.owes_factor, s.provider AS via, s.last_seen
FROM session s JOIN person p ON p.pk = s.account_pk
WHERE s.id_digest = :digest AND s.expires_at > :now AND s.last_seen > :idle_since AND p.enabled;

-- name: seen
UPDATE session SET last_seen = :now WHERE pk = :pk AND last_seen < :now;

-- name: sessions
SELECT s.pk, a.name AS account, s.created_at, s.last_seen, s.expires_at, s.peer, s.agent, s.method
FROM session s JOIN account a ON a.pk = s.account_pk
WHERE s.expires_at > :now AND s.last_seen > :idle_since AND NOT s.owes_factor
  AND (:account_pk::bigint IS NULL OR s.account_pk = :account_pk)
ORDER BY s.last_seen DESC, s.pk
LIMIT :most;

-- name: end_session
DELETE FROM session WHERE id_digest = :digest;

-- name: end_session_by_pk
DELETE FROM session s USING account a
WHERE s.pk = :pk AND a.pk = s.account_pk AND (:account_pk::bigint IS NULL OR s.account_pk = :account_pk)
RETURNING a.name;

-- name: end_sessions_of
DELETE FROM session WHERE account_pk = :account_pk AND pk <> :keep;

-- name: end_sessions_of_provider
DELETE FROM session s USING account a
WHERE a.pk = s.account_pk AND s.provider = :provider
  AND ((:sid <> '' AND s.provider_id = :sid) OR (:sid = '' AND a.subject = :subject));

-- name: end_old_sessions
DELETE FROM session WHERE expires_at <= :now OR last_seen <= :idle_since;

-- name: add_token
INSERT INTO token (digest, account_pk, label, created_at, expires_at, actions)
VALUES (:digest, :account_pk, :label, :now, :expires_at, :actions)
RETURNING pk;

-- name: token
SELECT a.pk, a.name, a.roles, t.pk AS token_pk, t.expires_at, t.actions, t.last_used
FROM token t JOIN account a ON a.pk = t.account_pk
WHERE t.digest = :digest AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > :now) AND a.enabled;

-- name: token_used
UPDATE token SET last_used = :now, last_peer = :peer WHERE pk = :pk;

-- name: tokens
SELECT t.pk, a.pk AS account_pk, a.name AS account, t.label, t.created_at, t.expires_at, t.revoked_at, t.actions,
       t.last_used, t.last_peer
FROM token t JOIN account a ON a.pk = t.account_pk
WHERE :account_pk::bigint IS NULL OR t.account_pk = :account_pk
ORDER BY t.pk;

-- name: revoke_token
UPDATE token SET revoked_at = :now
WHERE pk = :pk AND revoked_at IS NULL AND (:account_pk::bigint IS NULL OR account_pk = :account_pk)
RETURNING pk;

-- name: totp_waits
UPDATE account SET totp_waiting = :sealed WHERE pk = :pk;

-- name: totp_of
SELECT totp_sealed, totp_waiting, totp_last_step FROM account WHERE pk = :pk;

-- name: totp_begins
UPDATE account SET totp_sealed = totp_waiting, totp_waiting = NULL, totp_last_step = :step
WHERE pk = :pk AND totp_waiting = :sealed
RETURNING pk;

-- name: totp_spent
-- A code works once, whoever sends it twice at the same moment.
UPDATE account SET totp_last_step = :step WHERE pk = :pk AND totp_last_step < :step RETURNING pk;

-- name: totp_ends
UPDATE account SET totp_sealed = NULL, totp_waiting = NULL WHERE pk = :pk;

-- name: add_recovery_code
INSERT INTO recovery_code (account_pk, digest) VALUES (:pk, :digest);

-- name: spend_recovery_code
DELETE FROM recovery_code WHERE account_pk = :pk AND digest = :digest RETURNING account_pk;

-- name: forget_recovery_codes
DELETE FROM recovery_code WHERE account_pk = :pk;

-- name: recovery_codes_left
SELECT count(*) FROM recovery_code WHERE account_pk = :pk;

-- name: passkey_handle
UPDATE account SET passkey_handle = coalesce(passkey_handle, :fresh) WHERE pk = :pk RETURNING passkey_handle;

-- name: passkeys_of
SELECT pk, credential_id, label, created_at, last_used FROM passkey WHERE account_pk = :pk ORDER BY pk;

-- name: add_passkey
INSERT INTO passkey (account_pk, credential_id, public_key, sign_count, label, created_at)
VALUES (:account_pk, :credential_id, :public_key, :sign_count, :label, :now)
ON CONFLICT DO NOTHING
RETURNING pk;

-- name: passkey
SELECT k.pk, k.account_pk, k.public_key, k.sign_count, a.passkey_handle
FROM passkey k JOIN account a ON a.pk = k.account_pk
WHERE k.credential_id = :credential_id;

-- name: passkey_used
UPDATE passkey SET sign_count = :sign_count, last_used = :now WHERE pk = :pk;

-- name: remove_passkey
DELETE FROM passkey WHERE pk = :pk AND account_pk = :account_pk RETURNING pk;

-- name: remove_passkeys
DELETE FROM passkey WHERE account_pk = :pk;

-- name: ask
INSERT INTO sign_in_question (digest, kind, account_pk, told, expires_at)
SELECT :digest::bytea, :kind::text, :account_pk::bigint, :told::jsonb, :expires_at::timestamptz
WHERE (SELECT count(*) FROM sign_in_question) < :most::bigint
RETURNING 1;

-- name: answered
DELETE FROM sign_in_question WHERE digest = :digest AND kind = :kind AND expires_at > :now RETURNING account_pk, told;

-- name: forget_old_questions
DELETE FROM sign_in_question WHERE expires_at <= :now;
