-- name: lock_head
SELECT seq, hash FROM audit_head FOR UPDATE;

-- name: head
SELECT seq, hash, at, key_id, signature FROM audit_head;

-- name: known_ids
SELECT id::text FROM audit_event WHERE id = ANY (:ids::uuid[]);

-- name: append
INSERT INTO audit_event (seq, id, at, kind, outcome, who, who_name, door, patients, studies, body, hash)
SELECT e.seq, e.id, e.at, e.kind, e.outcome, e.who, e.who_name, e.door,
       ARRAY (SELECT jsonb_array_elements_text(e.patients)), ARRAY (SELECT jsonb_array_elements_text(e.studies)),
       e.body, e.hash
FROM unnest(:seqs::bigint[], :ids::uuid[], :ats::timestamptz[], :kinds::text[], :outcomes::smallint[], :whos::text[],
            :names::text[], :doors::text[], :patients::jsonb[], :studies::jsonb[], :bodies::text[], :hashes::bytea[])
     AS e (seq, id, at, kind, outcome, who, who_name, door, patients, studies, body, hash);

-- name: set_head
UPDATE audit_head SET seq = :seq, hash = :hash, at = :at, key_id = :key_id, signature = :signature;

-- name: add_checkpoint
INSERT INTO audit_checkpoint (seq, hash, at, kind, key_id, signature)
VALUES (:seq, :hash, :at, :kind, :key_id, :signature)
ON CONFLICT (seq) DO UPDATE SET kind = excluded.kind, at = excluded.at, key_id = excluded.key_id,
    signature = excluded.signature;

-- name: checkpoints
SELECT seq, hash, at, kind, key_id, signature FROM audit_checkpoint ORDER BY seq;

-- name: rows_after
SELECT seq, id::text, at, kind, outcome, who, who_name, door, patients, studies, body, hash FROM audit_event
WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: search
SELECT seq, body FROM audit_event
WHERE (:before::bigint IS NULL OR seq < :before)
  AND (:patient::text IS NULL OR patients @> ARRAY[:patient::text])
  AND (:study::text IS NULL OR studies @> ARRAY[:study::text])
  AND (:who::text IS NULL OR who = :who OR lower(who_name) = lower(:who))
  AND (:kinds::text[] IS NULL OR kind = ANY (:kinds))
  AND (:failed::boolean IS NULL OR (outcome <> 0) = :failed)
  AND (:since::timestamptz IS NULL OR at >= :since) AND (:until::timestamptz IS NULL OR at < :until)
ORDER BY seq DESC LIMIT :limit;

-- name: who_saw
SELECT who, max(who_name) AS who_name, count(*)::int AS times, min(at) AS first, max(at) AS last,
       array_agg(DISTINCT kind) AS kinds, array_agg(DISTINCT door) AS doors
FROM audit_event
WHERE patients @> ARRAY[:patient::text] AND kind = ANY (:kinds)
  AND (:since::timestamptz IS NULL OR at >= :since) AND (:until::timestamptz IS NULL OR at < :until)
GROUP BY who ORDER BY max(at) DESC;

-- name: patients_of_studies
SELECT st.study_uid, i.value AS patient_id, i.issuer, p.name_alphabetic, p.name_ideographic,
       EXISTS (SELECT FROM protected_patient AS q WHERE q.patient_pk = st.patient_pk) AS protected
FROM study AS st
JOIN patient AS p ON p.pk = st.patient_pk
LEFT JOIN LATERAL (
    SELECT value, issuer FROM patient_identifier WHERE patient_pk = p.pk AND value <> ''
    ORDER BY is_primary DESC, pk LIMIT 1
) AS i ON true
WHERE st.study_uid = ANY (:studies);

-- name: take_pending
-- What other tables have entered for the trail, in the transactions in which it happened.
DELETE FROM audit_pending WHERE pk IN (SELECT pk FROM audit_pending ORDER BY pk LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING pk, at, kind, who, what, target, detail;

-- name: seq_before
SELECT seq, hash FROM audit_event WHERE at < :before ORDER BY seq DESC LIMIT 1;

-- name: allow_prune
SELECT set_config('filmroom.audit_prune', 'on', true);

-- name: prune
DELETE FROM audit_event WHERE seq <= :upto;

-- name: prune_checkpoints
DELETE FROM audit_checkpoint WHERE seq < :upto;

-- name: studies_of_delivery
SELECT DISTINCT st.study_uid FROM delivery_item AS d
JOIN instance AS i ON i.sop_uid = d.sop_uid JOIN study AS st ON st.pk = i.study_pk
WHERE d.delivery_pk = :pk;

-- name: study_of_target
-- The study that a journal entry's target belongs to.
SELECT st.study_uid FROM study AS st
WHERE (:kind = 'study' AND st.study_uid = :uid)
   OR (:kind = 'series' AND st.pk IN (SELECT study_pk FROM series WHERE series_uid = :uid))
   OR (:kind = 'instance' AND st.pk IN (SELECT study_pk FROM instance WHERE sop_uid = :uid))
LIMIT 1;

-- name: may_follow
SELECT pg_try_advisory_xact_lock(x'66696c6d61756469'::bigint);

-- name: sent_upto
SELECT seq FROM audit_cursor WHERE reader = :reader;

-- name: set_sent
INSERT INTO audit_cursor (reader, seq) VALUES (:reader, :seq) ON CONFLICT (reader) DO UPDATE SET seq = excluded.seq;

-- name: name_of_person
SELECT name FROM account WHERE 'person:' || pk = :who;

-- name: patient_of_target
-- The patient that an entry about a patient, an order or a step of one names.
SELECT coalesce(i.value, '') AS id, coalesce(i.issuer, '') AS issuer, p.name_alphabetic, p.name_ideographic
FROM patient AS p
LEFT JOIN LATERAL (
    SELECT value, issuer FROM patient_identifier WHERE patient_pk = coalesce(p.merged_into, p.pk) AND value <> ''
    ORDER BY is_primary DESC, pk LIMIT 1
) AS i ON true
WHERE p.pk = CASE :kind::text
    WHEN 'patient' THEN :key::bigint
    WHEN 'order' THEN (SELECT patient_pk FROM imaging_order WHERE pk = :key::bigint)
    ELSE (SELECT o.patient_pk FROM scheduled_step s JOIN imaging_order o ON o.pk = s.order_pk WHERE s.pk = :key::bigint)
    END;

-- name: one
SELECT seq, body FROM audit_event WHERE id = :id::uuid;
