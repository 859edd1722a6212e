-- name: add
INSERT INTO quarantine (at, door, source, reason, detail, sop_class, sop_uid, transfer_syntax, key, size_bytes, digest)
VALUES (:at, :door, :source, :reason, :detail, :sop_class, :sop_uid, :transfer_syntax, :key, :size_bytes, :digest)
RETURNING pk;

-- name: page
-- Newest first, from before ``before``.
SELECT q.* FROM quarantine q
WHERE q.state = :state AND q.pk < :before AND /*seen*/ true
ORDER BY q.pk DESC LIMIT :limit;

-- name: count
SELECT count(*) FROM quarantine q WHERE q.state = :state AND /*seen*/ true;

-- name: one
SELECT q.* FROM quarantine q WHERE q.pk = :pk AND /*seen*/ true;

-- name: settle
-- Only what still waits can be decided about, and once.
UPDATE quarantine SET state = :state, decided_at = :at, decided_by = :who, why = :why
WHERE pk = :pk AND state = 'waiting' RETURNING key;

-- name: release
-- Filed in another form: these bytes stay for a while.
UPDATE quarantine SET state = 'released', decided_at = :at, decided_by = :who, why = :why
WHERE pk = :pk AND state = 'waiting' RETURNING pk;

-- name: write
INSERT INTO journal (at, who, why, action, target, before, after)
VALUES (:at, :who, :why, 'release', :target, NULL, :after);

-- name: older
SELECT pk, state FROM quarantine
WHERE (state = 'waiting' AND at < :before) OR (state = 'released' AND decided_at < :before) ORDER BY pk LIMIT :limit;

-- name: forget
UPDATE quarantine SET state = 'requeued' WHERE pk = :pk AND state = 'released' RETURNING key;
