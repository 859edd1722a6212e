-- name: put_recording
INSERT INTO association_recording (key, opened_at, outgoing, standing, peer, calling_ae, called_ae, tls, outcome, reason,
    n_messages, n_failures, bytes_in, bytes_out, seconds, size_bytes, body)
VALUES (:key, :opened_at, :outgoing, :standing, :peer, :calling_ae, :called_ae, :tls, :outcome, :reason,
    :messages, :failures, :bytes_in, :bytes_out, :seconds, :size_bytes, :body)
ON CONFLICT (key) DO UPDATE
SET standing = excluded.standing, tls = excluded.tls, outcome = excluded.outcome, reason = excluded.reason,
    n_messages = excluded.n_messages, n_failures = excluded.n_failures, bytes_in = excluded.bytes_in,
    bytes_out = excluded.bytes_out, seconds = excluded.seconds, size_bytes = excluded.size_bytes, body = excluded.body;

-- name: list_recordings
-- Newest first; ``failed``: only those that did not end well or hold a failure.
SELECT pk, opened_at, outgoing, standing, peer, calling_ae, called_ae, tls, outcome, reason, n_messages, n_failures,
    bytes_in, bytes_out, seconds
FROM association_recording
WHERE (:ae_title::text IS NULL OR calling_ae = :ae_title OR called_ae = :ae_title)
  AND (NOT :failed::boolean OR n_failures > 0 OR outcome NOT IN ('released', 'standing'))
  AND (:before::bigint IS NULL OR pk < :before)
ORDER BY pk DESC LIMIT :limit;

-- name: get_recording
SELECT pk, opened_at, outgoing, standing, peer, calling_ae, called_ae, tls, outcome, reason, n_messages, n_failures,
    bytes_in, bytes_out, seconds, body
FROM association_recording WHERE pk = :pk;

-- name: delete_old
DELETE FROM association_recording WHERE opened_at < :before;

-- name: delete_over
-- Beyond the newest ``keep`` recordings, or beyond ``most_bytes`` of them.
DELETE FROM association_recording WHERE pk IN (
    SELECT pk FROM (
        SELECT pk, row_number() OVER newest AS n, sum(size_bytes) OVER newest AS total
        FROM association_recording WINDOW newest AS (ORDER BY pk DESC)
    ) counted
    WHERE n > :keep OR total > :most_bytes
);

-- name: orphaned
-- What its writer will not end any more: the process went away.
UPDATE association_recording SET standing = false, outcome = 'lost', reason = 'the server ended meanwhile'
WHERE standing AND opened_at + seconds * interval '1 second' < :before;

-- name: values_wanted
SELECT ae_title FROM recorded_values WHERE until > :now;

-- name: want_values
INSERT INTO recorded_values (ae_title, until, asked_by) VALUES (:ae_title, :until, :asked_by)
ON CONFLICT (ae_title) DO UPDATE SET until = excluded.until, asked_by = excluded.asked_by;
