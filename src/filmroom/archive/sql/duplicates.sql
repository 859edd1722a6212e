-- name: copies
-- What is known of objects that come again, and of the patient of their study.
SELECT i.sop_uid, i.pk, i.digest, i.source, s.study_uid, e.series_uid
FROM instance AS i JOIN series AS e ON e.pk = i.series_pk JOIN study AS s ON s.pk = i.study_pk
WHERE i.sop_uid = ANY(:sop_uids) ORDER BY i.copy DESC;

-- name: study_patient
-- Whose a study is: identifiers, those that came by a merge (not primary) among them.
SELECT p.attributes, coalesce(id.own, '[]') AS own, coalesce(id.merged, '[]') AS merged
FROM study AS s JOIN patient AS p ON p.pk = s.patient_pk
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(value, issuer)) FILTER (WHERE is_primary) AS own,
           jsonb_agg(jsonb_build_array(value, issuer)) FILTER (WHERE NOT is_primary) AS merged
    FROM patient_identifier WHERE patient_pk = p.pk
) AS id ON true
WHERE s.study_uid = :study_uid;

-- name: said
-- What is known of a series, its study and patient; the patient's key only when the identifier is one of theirs.
SELECT s.attributes AS study, e.attributes AS series, p.attributes AS patient, i.patient_pk
FROM study AS s JOIN series AS e ON e.study_pk = s.pk JOIN patient AS p ON p.pk = s.patient_pk
LEFT JOIN patient_identifier AS i
    ON i.patient_pk = s.patient_pk AND i.value = :value AND i.value <> '' AND i.issuer = :issuer
WHERE s.study_uid = :study_uid AND e.series_uid = :series_uid;

-- name: keep_version
-- The object as it is here becomes a superseded version; its bytes stay where they are.
INSERT INTO superseded (instance_pk, sop_uid, sop_class, study_uid, series_uid, transfer_syntax, dataset_offset,
                        header_bytes, digest, source, received_at, store, key, start, size_bytes, blob_digest,
                        reason, superseded_at, expires_at)
SELECT i.pk, i.sop_uid, i.sop_class, s.study_uid, e.series_uid, i.transfer_syntax, i.dataset_offset, i.header_bytes,
       i.digest, i.source, i.received_at, l.store, l.key, l.start, l.size_bytes, l.digest, :reason, :at, :expires_at
FROM instance AS i JOIN series AS e ON e.pk = i.series_pk JOIN study AS s ON s.pk = i.study_pk
JOIN location AS l ON l.instance_pk = i.pk
WHERE i.pk = :pk
RETURNING pk;

-- name: lock_studies
SELECT pk FROM study WHERE study_uid = ANY(:study_uids) ORDER BY study_uid FOR NO KEY UPDATE;

-- name: step_aside
-- The object that came last is one of several under its UID from now on.
UPDATE instance SET copy = (SELECT max(copy) + 1 FROM instance WHERE sop_uid = :sop_uid)
WHERE sop_uid = :sop_uid AND copy = 0;

-- name: give_way
DELETE FROM instance WHERE pk = :pk RETURNING series_pk, study_pk;

-- name: displaced
INSERT INTO journal (at, who, why, action, target, before, after)
VALUES (:at, 'system', :why, :action, :target, :before, :after);

-- name: forget_copies
DELETE FROM location WHERE instance_pk = :pk;

-- name: forget_coercion
DELETE FROM instance_coercion WHERE instance_pk = :pk;

-- name: forget_compression
DELETE FROM compression WHERE instance_pk = :pk;

-- name: replace_instance
UPDATE instance
SET transfer_syntax = :transfer_syntax, sop_class = :sop_class, dataset_offset = :dataset_offset,
    header_bytes = :header_bytes, size_bytes = :size_bytes, digest = :digest, source = :source, received_at = :at
WHERE pk = :pk
RETURNING series_pk, study_pk;

-- name: place
INSERT INTO location (instance_pk, store, key, start, size_bytes, digest)
VALUES (:pk, :store, :key, :start, :size_bytes, :blob_digest);

-- name: touch
WITH below AS (
    UPDATE series SET version = version + 1, size_bytes = size_bytes + :more WHERE pk = :series_pk
)
UPDATE study SET version = version + 1, size_bytes = size_bytes + :more WHERE pk = :study_pk;

-- name: versions
SELECT * FROM superseded WHERE sop_uid = :sop_uid ORDER BY pk DESC;

-- name: expired
DELETE FROM superseded WHERE pk IN (SELECT pk FROM superseded WHERE expires_at < :at ORDER BY pk LIMIT :limit)
RETURNING store, key, start, size_bytes;
