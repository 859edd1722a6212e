-- name: quiet_studies
-- Studies that nothing was filed into for the time, and that nobody else is looking at. The time is the device's that
-- sent last, where its policy has one (``quiet_s``).
SELECT s.pk, s.study_uid, s.version
FROM study_settling w JOIN study s ON s.pk = w.study_pk
WHERE s.received_last <= :now::timestamptz - make_interval(secs => coalesce(
    CASE WHEN EXISTS (SELECT FROM device WHERE policy ? 'quiet_s') THEN (
        SELECT (d.policy ->> 'quiet_s')::float8
        FROM device d
        WHERE jsonb_typeof(d.policy -> 'quiet_s') = 'number'
          AND d.ae_title = (SELECT i.source FROM instance i WHERE i.study_pk = s.pk ORDER BY i.pk DESC LIMIT 1))
    END, :quiet_s::float8))
ORDER BY s.study_uid LIMIT :limit
FOR UPDATE OF s, w SKIP LOCKED;  -- both: who comes later must notice that the waiting is over

-- name: settled
WITH gone AS (DELETE FROM study_settling WHERE study_pk = ANY (:pks))
UPDATE study SET quiet_version = version WHERE pk = ANY (:pks);
