-- name: need
INSERT INTO destination (ae_title) VALUES (:ae_title) ON CONFLICT DO NOTHING;

-- name: take
-- Destinations with work that is due or lost its worker, and those that are ours and busy: ours for a while.
UPDATE destination d SET owner = :owner, owner_until = :until
WHERE (d.owner IS NULL OR d.owner = :owner OR d.owner_until < :now::timestamptz)
  AND (d.ae_title = ANY (:busy)
       OR EXISTS (SELECT FROM job j WHERE j.queue = 'send:' || d.ae_title AND j.state = 'waiting'
                  AND j.due_at <= :now::timestamptz)
       OR EXISTS (SELECT FROM job j WHERE j.queue = 'send:' || d.ae_title AND j.state = 'running'
                  AND j.lease_until < :now::timestamptz))
RETURNING ae_title, associations, bytes_per_s, paused, failures, away_until;

-- name: let_go
UPDATE destination SET owner = NULL, owner_until = NULL WHERE ae_title = :ae_title AND owner = :owner;

-- name: away
UPDATE destination SET failures = :failures, away_until = :until, trouble = :trouble WHERE ae_title = :ae_title;

-- name: well
UPDATE destination SET failures = 0, away_until = NULL, trouble = '' WHERE ae_title = :ae_title;
