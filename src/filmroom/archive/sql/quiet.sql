-- name: quiet_studies
-- Studies that nothing was filed into for the time, and that nobody else is looking at.
SELECT s.pk, s.study_uid, s.version
FROM study_settling w JOIN study s ON s.pk = w.study_pk
WHERE s.received_last <= :before
ORDER BY s.study_uid LIMIT :limit
FOR UPDATE OF s, w SKIP LOCKED;  -- both: who comes later must notice that the waiting is over

-- name: settled
WITH gone AS (DELETE FROM study_settling WHERE study_pk = ANY (:pks))
UPDATE study SET quiet_version = version WHERE pk = ANY (:pks);
