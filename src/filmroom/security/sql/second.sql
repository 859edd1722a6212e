-- name: ask
INSERT INTO second_person (act, body, why, asked_by, asked_name, asked_at, expires_at)
SELECT :act, :body, :why, :who, :name, :now::timestamptz, :expires_at::timestamptz
WHERE (SELECT count(*) FROM second_person WHERE state = 'waiting' AND expires_at > :now::timestamptz) < :most::bigint
RETURNING pk;

-- name: asked
SELECT * FROM second_person
WHERE act = ANY (:acts) AND (state <> 'waiting' OR expires_at > :now)
ORDER BY state <> 'waiting', pk DESC LIMIT 200;

-- name: lock
SELECT * FROM second_person WHERE pk = :pk AND state = 'waiting' AND expires_at > :now FOR UPDATE;

-- name: decide
UPDATE second_person SET state = :state, by = :who, by_name = :name, at = :now WHERE pk = :pk;

-- name: undecided
UPDATE second_person SET state = 'waiting', by = '', by_name = '', at = NULL WHERE pk = :pk;
