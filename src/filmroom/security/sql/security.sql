-- name: account_by_name
SELECT * FROM account WHERE lower(name) = lower(:name);

-- name: account_by_pk
SELECT * FROM account WHERE pk = :pk;

-- name: accounts
SELECT * FROM account ORDER BY lower(name);

-- name: any_account
SELECT EXISTS (SELECT 1 FROM account);

-- name: lock_accounts
-- Two nodes that start at once must not both make a first administrator.
SELECT pg_advisory_xact_lock(x'46494c4d4143'::bigint);

-- name: add_account
INSERT INTO account (name, display_name, password_hash, must_change, roles)
VALUES (:name, :display_name, :password_hash, :must_change, :roles)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: set_password
UPDATE account SET password_hash = :password_hash, must_change = :must_change, failed_logins = 0, locked_until = NULL
WHERE pk = :pk;

-- name: set_enabled
UPDATE account SET enabled = :enabled WHERE pk = :pk;

-- name: set_roles
UPDATE account SET roles = :roles WHERE pk = :pk;

-- name: sign_in_failed
-- The count starts anew once a lock has run out.
UPDATE account SET
    failed_logins = CASE WHEN locked_until <= :now THEN 1 ELSE failed_logins + 1 END,
    locked_until = CASE WHEN locked_until <= :now THEN NULL
                        WHEN failed_logins + 1 >= :most THEN :until::timestamptz
                        ELSE locked_until END
WHERE pk = :pk;

-- name: sign_in_worked
UPDATE account SET failed_logins = 0, locked_until = NULL WHERE pk = :pk AND failed_logins > 0;

-- name: add_session
INSERT INTO session (id_digest, account_pk, created_at, expires_at, peer)
VALUES (:digest, :account_pk, :now, :expires_at, :peer);

-- name: session
SELECT a.pk, a.name, a.roles, a.must_change, s.expires_at
FROM session s JOIN account a ON a.pk = s.account_pk
WHERE s.id_digest = :digest AND s.expires_at > :now AND a.enabled;

-- name: end_session
DELETE FROM session WHERE id_digest = :digest;

-- name: end_sessions_of
DELETE FROM session WHERE account_pk = :account_pk;

-- name: end_old_sessions
DELETE FROM session WHERE expires_at <= :now;

-- name: add_token
INSERT INTO token (digest, account_pk, label, created_at, expires_at)
VALUES (:digest, :account_pk, :label, :now, :expires_at)
RETURNING pk;

-- name: token
SELECT a.pk, a.name, a.roles, t.expires_at
FROM token t JOIN account a ON a.pk = t.account_pk
WHERE t.digest = :digest AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > :now) AND a.enabled;

-- name: tokens
SELECT t.pk, a.pk AS account_pk, a.name AS account, t.label, t.created_at, t.expires_at, t.revoked_at
FROM token t JOIN account a ON a.pk = t.account_pk
WHERE :account_pk::bigint IS NULL OR t.account_pk = :account_pk
ORDER BY t.pk;

-- name: revoke_token
UPDATE token SET revoked_at = :now
WHERE pk = :pk AND revoked_at IS NULL AND (:account_pk::bigint IS NULL OR account_pk = :account_pk)
RETURNING pk;
