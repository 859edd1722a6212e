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
SELECT pg_notify(:channel, '');
