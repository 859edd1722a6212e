-- name: add
INSERT INTO webhook (url, description, kinds, condition, secret, owner, seq, created_at)
VALUES (:url, :description, :kinds, :condition, :secret, :owner, (SELECT seq FROM feed_head), :now)
RETURNING pk;

-- name: list
SELECT w.pk, w.url, w.description, w.kinds, w.condition, w.enabled, w.owner, w.seq, w.version, w.created_at,
       w.former_until, (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_pk = w.pk AND d.state = 'waiting') AS waiting
FROM webhook w WHERE w.removed_at IS NULL AND (:pk::bigint IS NULL OR w.pk = :pk) ORDER BY w.pk;

-- name: change
UPDATE webhook SET url = :url, description = :description, kinds = :kinds, condition = :condition, enabled = :enabled,
                   version = version + 1
WHERE pk = :pk AND removed_at IS NULL RETURNING pk;

-- name: remove
UPDATE webhook SET removed_at = :now, enabled = false WHERE pk = :pk AND removed_at IS NULL RETURNING pk;

-- name: rotate
UPDATE webhook SET former = secret, former_until = :former_until, secret = :secret, version = version + 1
WHERE pk = :pk AND removed_at IS NULL RETURNING pk;

-- name: turn_off
UPDATE webhook SET enabled = false, version = version + 1 WHERE pk = :pk;

-- name: behind
SELECT pk FROM webhook WHERE enabled AND removed_at IS NULL AND seq < (SELECT seq FROM feed_head) ORDER BY pk;

-- name: take
-- One process at a time looks for a subscription's events.
SELECT w.pk, w.kinds, w.condition, w.seq, (SELECT seq FROM feed_head) AS head,
       (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_pk = w.pk AND d.state = 'waiting') AS waiting
FROM webhook w WHERE w.pk = :pk AND w.enabled AND w.removed_at IS NULL FOR UPDATE OF w SKIP LOCKED;

-- name: advance
UPDATE webhook SET seq = :seq WHERE pk = :pk;

-- name: add_delivery
INSERT INTO webhook_delivery (webhook_pk, seq, kind, at, body, created_at)
VALUES (:webhook_pk, :seq, :kind, :at, :body, :now)
RETURNING pk;

-- name: set_job
UPDATE webhook_delivery SET job_pk = :job_pk, state = 'waiting', finished_at = NULL WHERE pk = :pk;

-- name: to_send
SELECT d.pk, d.webhook_pk, d.seq, d.kind, d.at, d.body, d.state, d.attempts, d.status, d.trouble, d.took_ms, d.job_pk,
       d.created_at, d.finished_at, w.url, w.secret, w.former, w.former_until, w.enabled, w.removed_at
FROM webhook_delivery d JOIN webhook w ON w.pk = d.webhook_pk WHERE d.pk = :pk;

-- name: outcome
UPDATE webhook_delivery SET state = :state, attempts = attempts + 1, status = :status, trouble = :trouble,
                            took_ms = :took_ms, finished_at = :finished_at
WHERE pk = :pk;

-- name: log
SELECT pk, webhook_pk, seq, kind, at, body, state, attempts, status, trouble, took_ms, job_pk, created_at, finished_at
FROM webhook_delivery
WHERE webhook_pk = :webhook_pk AND (:pk::bigint IS NULL OR pk = :pk) AND (:before::bigint IS NULL OR pk < :before)
  AND (:state::text IS NULL OR state = :state)
ORDER BY pk DESC LIMIT :limit;

-- name: prune
DELETE FROM webhook_delivery WHERE created_at < :before AND state <> 'waiting';
