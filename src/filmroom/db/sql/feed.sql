-- name: append
SELECT feed_append(:at, :kinds, :bodies);

-- name: read
SELECT seq, at, kind, body FROM fact WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: head
SELECT seq FROM feed_head;

-- name: cursor
SELECT seq FROM feed_cursor WHERE reader = :reader;

-- name: advance
INSERT INTO feed_cursor (reader, seq) VALUES (:reader, :seq)
ON CONFLICT (reader) DO UPDATE SET seq = greatest(feed_cursor.seq, excluded.seq);

-- name: announce
SELECT pg_notify(:channel, :payload);

-- name: records
SELECT seq, at, kind, body FROM fact
WHERE seq > :after AND seq <= :upto AND (:kinds::text[] IS NULL OR kind = ANY (:kinds::text[]))
ORDER BY seq LIMIT :limit;

-- name: span
-- The first number that is still there (the next to come when none is), and the last that was given.
SELECT coalesce((SELECT min(seq) FROM fact), h.seq + 1) AS first, h.seq AS last FROM feed_head h;

-- name: at_of
SELECT at FROM fact WHERE seq = :seq;

-- name: prune
-- What every reader has dealt with and is older than a moment, oldest first; how many.
WITH gone AS (
    DELETE FROM fact WHERE at < :before AND seq IN (
        SELECT seq FROM fact WHERE seq <= coalesce((SELECT min(seq) FROM feed_cursor), 9223372036854775807)
        ORDER BY seq LIMIT :limit)
    RETURNING seq)
SELECT count(*) FROM gone;
