-- name: add
INSERT INTO performed_step (sop_uid, status, station, source, charset, study_uids, remarks, attributes, created_at,
                            updated_at)
VALUES (:sop_uid, :status, :station, :source, :charset, :study_uids, :remarks, :attributes, :at, :at)
ON CONFLICT (sop_uid) DO NOTHING
RETURNING pk;

-- name: find
SELECT m.pk, m.sop_uid, m.status, m.station, m.source, m.charset, m.study_uids, m.remarks, m.attributes, m.created_at,
       m.updated_at
FROM performed_step m WHERE m.sop_uid = :sop_uid AND /*seen*/ true;

-- name: lock
SELECT m.pk, m.sop_uid, m.status, m.station, m.source, m.charset, m.study_uids, m.remarks, m.attributes, m.created_at,
       m.updated_at
FROM performed_step m WHERE m.sop_uid = :sop_uid AND /*seen*/ true FOR NO KEY UPDATE OF m;

-- name: set
UPDATE performed_step SET status = :status, attributes = :attributes, version = version + 1, updated_at = :at
WHERE pk = :pk;

-- name: link
INSERT INTO performed_scheduled (performed_pk, step_pk)
SELECT :performed_pk, unnest(:step_pks::bigint[]) ON CONFLICT DO NOTHING;

-- name: linked
SELECT step_pk FROM performed_scheduled WHERE performed_pk = :performed_pk ORDER BY step_pk;

-- name: others
-- What else was performed for these steps, by its status.
SELECT l.step_pk, m.status FROM performed_scheduled l JOIN performed_step m ON m.pk = l.performed_pk
WHERE l.step_pk = ANY (:step_pks::bigint[]) AND m.pk <> :performed_pk;

-- name: referenced
-- The steps that items of a Scheduled Step Attributes Sequence mean. A step id counts together with its study or
-- accession number; without step id, a study means its steps of the modality.
WITH w AS (
    SELECT * FROM unnest(:step_ids::text[], :study_uids::text[], :accessions::text[])
                  WITH ORDINALITY AS w (step_id, study_uid, accession, n)
)
SELECT s.pk, o.patient_id, w.n
FROM w
JOIN scheduled_step s ON s.step_id = w.step_id
JOIN requested_procedure r ON r.pk = s.procedure_pk
JOIN imaging_order o ON o.pk = s.order_pk
WHERE w.step_id <> '' AND (r.study_uid = w.study_uid OR (w.accession <> '' AND o.accession = w.accession))
UNION ALL
SELECT s.pk, o.patient_id, w.n
FROM w
JOIN requested_procedure r ON r.study_uid = w.study_uid
JOIN scheduled_step s ON s.procedure_pk = r.pk
JOIN imaging_order o ON o.pk = s.order_pk
WHERE w.step_id = '' AND s.modality = :modality
ORDER BY 1;

-- name: forwarded_to
-- Where a modality's performed steps are passed on to (device policy ``forward_mpps``).
SELECT jsonb_array_elements_text(policy -> 'forward_mpps') AS ae_title FROM device
WHERE ae_title = :source AND enabled AND jsonb_typeof(policy -> 'forward_mpps') = 'array';

-- name: notified
-- Who hears of performed steps (device policy ``notify_mpps``).
SELECT ae_title FROM device WHERE enabled AND policy -> 'notify_mpps' = 'true'::jsonb ORDER BY ae_title;

-- name: by_pk
SELECT pk, sop_uid, status, charset, attributes, version FROM performed_step WHERE pk = :pk;

-- name: forwarding
SELECT created, version FROM performed_forward WHERE performed_pk = :pk AND ae_title = :ae_title;

-- name: forwarded
INSERT INTO performed_forward (performed_pk, ae_title, created, version) VALUES (:pk, :ae_title, true, :version)
ON CONFLICT (performed_pk, ae_title) DO UPDATE SET created = true, version = greatest(performed_forward.version, :version);

-- name: list
SELECT m.pk, m.sop_uid, m.status, m.station, m.source, m.study_uids, m.remarks, m.attributes, m.version, m.created_at,
       m.updated_at
FROM performed_step m
WHERE (:status::text = '' OR m.status = :status)
  AND (:study_uid::text = '' OR m.study_uids && ARRAY[:study_uid::text])
  AND (:source::text = '' OR m.source = :source) AND (:before::bigint IS NULL OR m.pk < :before) AND /*seen*/ true
ORDER BY m.pk DESC LIMIT :limit;

-- name: stale
-- Steps that nobody has said anything about for long.
SELECT sop_uid FROM performed_step WHERE status = 'IN PROGRESS' AND updated_at < :before ORDER BY updated_at LIMIT 1000;
