-- name: add
INSERT INTO share (digest, studies, label, pin_hash, download, max_opens, made_by, made_by_name, made_at, expires_at)
VALUES (:digest, :studies, :label, :pin_hash, :download, :max_opens, :made_by, :made_by_name, :now, :expires_at)
RETURNING pk;

-- name: by_digest
SELECT * FROM share WHERE digest = :digest AND revoked_at IS NULL AND expires_at > :now;

-- name: opened
-- One more opening, if one is left.
UPDATE share SET opens = opens + 1, wrong_pins = 0
WHERE pk = :pk AND revoked_at IS NULL AND expires_at > :now AND (max_opens IS NULL OR opens < max_opens)
RETURNING opens;

-- name: wrong_pin
-- The link ends when too many were tried.
UPDATE share SET wrong_pins = wrong_pins + 1,
                 revoked_at = CASE WHEN wrong_pins + 1 >= :most THEN :now ELSE revoked_at END
WHERE pk = :pk RETURNING wrong_pins;

-- name: shares
SELECT pk, studies, label, pin_hash IS NOT NULL AS has_pin, download, max_opens, opens, made_by, made_by_name, made_at,
       expires_at, revoked_at
FROM share WHERE :made_by::text IS NULL OR made_by = :made_by ORDER BY pk DESC LIMIT 500;

-- name: revoke
UPDATE share SET revoked_at = :now
WHERE pk = :pk AND revoked_at IS NULL AND (:made_by::text IS NULL OR made_by = :made_by) RETURNING pk;

-- name: add_session
INSERT INTO share_session (digest, share_pk, expires_at) VALUES (:digest, :pk, :expires_at);

-- name: session
SELECT s.*, least(s.expires_at, e.expires_at) AS ends_at
FROM share_session AS e JOIN share AS s ON s.pk = e.share_pk
WHERE e.digest = :digest AND e.expires_at > :now AND s.expires_at > :now AND s.revoked_at IS NULL;

-- name: forget_sessions
DELETE FROM share_session WHERE expires_at <= :now;
