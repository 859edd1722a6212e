-- name: add
INSERT INTO quarantine (at, door, source, reason, detail, sop_class, sop_uid, transfer_syntax, key, size_bytes, digest)
VALUES (:at, :door, :source, :reason, :detail, :sop_class, :sop_uid, :transfer_syntax, :key, :size_bytes, :digest)
RETURNING pk;

-- name: page
-- Newest first, from before ``before``.
SELECT * FROM quarantine
WHERE state = :state AND pk < :before
ORDER BY pk DESC LIMIT :limit;

-- name: count
SELECT count(*) FROM quarantine WHERE state = :state;

-- name: one
SELECT * FROM quarantine WHERE pk = :pk;

-- name: settle
-- Only what still waits can be decided about, and once.
UPDATE quarantine SET state = :state WHERE pk = :pk AND state = 'waiting' RETURNING key;
