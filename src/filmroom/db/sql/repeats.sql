-- name: begin_repeat
-- True when this request is the first with its key, or the process of the first is gone: then the row is ours to fill.
INSERT INTO idempotency (principal, key_digest, request, created_at, held_until)
VALUES (:principal, :key, :request, :now, :held_until)
ON CONFLICT (principal, key_digest) DO UPDATE
    SET request = excluded.request, status = NULL, created_at = excluded.created_at,
        held_until = excluded.held_until, body = '', headers = '{}'
    WHERE idempotency.created_at < :oldest
       OR (idempotency.status IS NULL AND idempotency.held_until < excluded.created_at)
RETURNING true;

-- name: repeat
SELECT request, status, headers, body FROM idempotency WHERE principal = :principal AND key_digest = :key;

-- name: end_repeat
UPDATE idempotency SET status = :status, headers = :headers, body = :body
WHERE principal = :principal AND key_digest = :key;

-- name: drop_repeat
DELETE FROM idempotency WHERE principal = :principal AND key_digest = :key AND status IS NULL;

-- name: prune_repeats
DELETE FROM idempotency WHERE created_at < :before;
