-- name: add
INSERT INTO job (kind, body, queue, serial_key, priority, principal, due_at, max_attempts, retry_until, created_at)
VALUES (:kind, :body, :queue, :serial_key, :priority, :principal, :due, :max_attempts, :retry_until, :at)
RETURNING pk;

-- name: claim
-- The most urgent due job that nobody holds; of jobs with the same serial key only the first that is not at its end.
UPDATE job SET state = 'running', worker = :worker, lease_until = :lease_until, attempts = attempts + 1
WHERE pk = (
    SELECT j.pk FROM job j
    WHERE j.queue = :queue AND j.state = 'waiting' AND j.due_at <= :now AND j.kind = ANY (:kinds)
      AND (j.serial_key IS NULL OR NOT EXISTS (
              SELECT FROM job k WHERE k.serial_key = j.serial_key AND k.state IN ('waiting', 'running') AND k.pk < j.pk))
    ORDER BY j.priority DESC, j.due_at, j.pk
    LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING pk, kind, body, principal, attempts, max_attempts, retry_until;

-- name: renew
-- The lease is kept only by who holds it, and only while nobody has cancelled the job.
UPDATE job SET lease_until = :lease_until WHERE pk = :pk AND worker = :worker AND state = 'running' RETURNING pk;

-- name: finish
UPDATE job SET state = :state, finished_at = :now, last_error = :error, lease_until = NULL
WHERE pk = :pk AND worker = :worker AND state = 'running';

-- name: again
UPDATE job SET state = 'waiting', due_at = :due, last_error = :error, lease_until = NULL, worker = NULL
WHERE pk = :pk AND worker = :worker AND state = 'running';

-- name: release_lost
-- Jobs whose worker is gone are due again; those that may not be repeated have used up their attempts.
UPDATE job SET state = CASE WHEN attempts < max_attempts THEN 'waiting' ELSE 'dead' END, lease_until = NULL,
               worker = NULL, last_error = 'the process that worked on it is gone',
               finished_at = CASE WHEN attempts < max_attempts THEN NULL ELSE :now::timestamptz END
WHERE state = 'running' AND lease_until < :now::timestamptz;

-- name: progress
UPDATE job SET progress = :progress WHERE pk = :pk AND worker = :worker AND state = 'running';

-- name: cancel
UPDATE job SET state = 'cancelled', finished_at = :now WHERE pk = :pk AND state IN ('waiting', 'running') RETURNING pk;

-- name: get
SELECT pk, kind, body, queue, principal, state, due_at, attempts, progress, last_error, created_at, finished_at
FROM job WHERE pk = :pk;

-- name: hasten
UPDATE job SET due_at = :now::timestamptz
WHERE queue = :queue AND state = 'waiting' AND attempts > 0 AND due_at > :now::timestamptz;

-- name: page
SELECT pk, kind, body, queue, priority, principal, state, due_at, attempts, max_attempts, retry_until, progress,
       last_error, created_at, finished_at
FROM job
WHERE (:before::bigint IS NULL OR pk < :before) AND (:pk::bigint IS NULL OR pk = :pk)
  AND (:states::text[] IS NULL OR state = ANY (:states::text[])) AND (:kind::text IS NULL OR kind = :kind)
  AND (:queue::text IS NULL OR queue = :queue) AND (:principal::text IS NULL OR principal = :principal)
ORDER BY pk DESC LIMIT :limit;

-- name: revive
-- From the beginning, with as much time as it had at first.
UPDATE job SET state = 'waiting', due_at = :now::timestamptz, attempts = 0, finished_at = NULL, worker = NULL,
               lease_until = NULL, retry_until = :now::timestamptz + (retry_until - created_at)
WHERE pk = :pk AND state IN ('dead', 'cancelled') RETURNING pk;

-- name: set_priority
UPDATE job SET priority = :priority WHERE pk = :pk AND state = 'waiting' RETURNING pk;

-- name: depths
-- What is open in each queue; the finished are not looked at.
SELECT queue, count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'running') AS running,
       count(*) FILTER (WHERE state = 'dead') AS dead, min(due_at) FILTER (WHERE state = 'waiting') AS oldest_due
FROM job WHERE state IN ('waiting', 'running', 'dead') GROUP BY queue ORDER BY queue;
