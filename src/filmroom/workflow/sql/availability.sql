-- name: note
INSERT INTO availability_notice (sop_uid, source, study_uid, attributes, at)
VALUES (:sop_uid, :source, :study_uid, :attributes, :at) ON CONFLICT (sop_uid) DO NOTHING RETURNING pk;

-- name: performed
-- The performed steps of studies, those whose objects have been said to be here marked.
SELECT m.pk, m.sop_uid, m.status, m.study_uids, m.attributes, a.performed_pk IS NOT NULL AS told
FROM performed_step m LEFT JOIN performed_available a ON a.performed_pk = m.pk
WHERE m.study_uids && :study_uids::text[];

-- name: present
SELECT sop_uid FROM instance WHERE sop_uid = ANY (:sop_uids::text[]) AND state = 'visible';

-- name: is_available
INSERT INTO performed_available (performed_pk, at) VALUES (:pk, :at) ON CONFLICT DO NOTHING RETURNING performed_pk;

-- name: expected
-- Of studies, those that have as many objects as somebody expects.
SELECT s.study_uid
FROM study s
LEFT JOIN study_expected e ON e.study_uid = s.study_uid
WHERE s.study_uid = ANY (:study_uids::text[])
  AND s.n_instances >= coalesce(
      e.n_instances,
      (SELECT (r.attributes #>> '{00201208,Value,0}')::int FROM requested_procedure r
       WHERE r.study_uid = s.study_uid AND r.attributes #>> '{00201208,Value,0}' ~ '^[0-9]{1,9}$' LIMIT 1),
      CASE WHEN s.attributes #>> '{00201208,Value,0}' ~ '^[0-9]{1,9}$'
           THEN nullif((s.attributes #>> '{00201208,Value,0}')::int, 0) END);

-- name: expect
INSERT INTO study_expected (study_uid, n_instances, source, at) VALUES (:study_uid, :n_instances, :source, :at)
ON CONFLICT (study_uid) DO UPDATE SET n_instances = excluded.n_instances, source = excluded.source, at = excluded.at;

-- name: complete
-- Said once for a version.
INSERT INTO study_complete (study_pk, version, reason, at)
SELECT s.pk, s.version, :reason, :at FROM study s WHERE s.study_uid = :study_uid AND s.state = 'visible'
                                                   AND s.n_instances > 0
ON CONFLICT (study_pk) DO UPDATE SET version = excluded.version, reason = excluded.reason, at = excluded.at
WHERE study_complete.version < excluded.version
RETURNING version;

-- name: recipients
-- Who is notified of availability (device policy ``notify_ian``).
SELECT ae_title FROM device WHERE enabled AND policy -> 'notify_ian' = 'true'::jsonb ORDER BY ae_title;

-- name: objects
-- What a notification speaks of: a study's objects, or those of them that are named.
SELECT se.series_uid, i.sop_class, i.sop_uid
FROM study s JOIN series se ON se.study_pk = s.pk JOIN instance i ON i.series_pk = se.pk
WHERE s.study_uid = :study_uid AND s.state = 'visible' AND se.state = 'visible' AND i.state = 'visible'
  AND (:sop_uids::text[] IS NULL OR i.sop_uid = ANY (:sop_uids::text[]))
ORDER BY se.pk, i.pk;

-- name: performed_of_study
SELECT sop_uid FROM performed_step WHERE study_uids && ARRAY[:study_uid::text] AND status <> 'IN PROGRESS'
  AND (:sop_uid::text = '' OR sop_uid = :sop_uid)
ORDER BY pk;

-- name: performed_one
SELECT attributes FROM performed_step WHERE sop_uid = :sop_uid;

-- name: listed
SELECT s.study_uid, c.version, c.reason, c.at, s.version AS now_version, s.n_instances
FROM study_complete c JOIN study s ON s.pk = c.study_pk WHERE s.study_uid = :study_uid;
