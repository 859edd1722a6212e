-- name: lock_patient
SELECT pk, attributes FROM patient WHERE pk = :pk FOR NO KEY UPDATE;

-- name: lock_study
SELECT pk, attributes FROM study WHERE study_uid = :uid AND state = 'visible' FOR NO KEY UPDATE;

-- name: lock_series
SELECT pk, attributes FROM series WHERE series_uid = :uid AND state = 'visible' ORDER BY pk FOR NO KEY UPDATE;

-- name: lock_instance
SELECT pk, coalesce(attributes, '{}') AS attributes, content_date, content_time, instance_number
FROM instance WHERE sop_uid = :uid AND state = 'visible' FOR NO KEY UPDATE;

-- name: patient_of
SELECT patient_pk FROM patient_identifier WHERE value = :value AND issuer = :issuer;

-- name: patients_of
-- Whatever the issuer; two rows are enough to know that it must be said.
SELECT DISTINCT patient_pk FROM patient_identifier WHERE value = :value AND value <> '' LIMIT 2;

-- name: held
-- The corrections of a target that a change of these attributes meets.
SELECT tag, element, at, journal_pk FROM correction
WHERE level = :level AND target_pk = :target_pk AND tag = ANY(:tags);

-- name: hold
INSERT INTO correction (level, target_pk, tag, element, at, journal_pk)
SELECT :level, :target_pk, c.tag, c.element, :at, :journal_pk
FROM unnest(:tags::text[], :elements::jsonb[]) AS c (tag, element)
ON CONFLICT (level, target_pk, tag) DO UPDATE
SET element = excluded.element, at = excluded.at, journal_pk = excluded.journal_pk;

-- name: let_go
DELETE FROM correction WHERE level = :level AND target_pk = :target_pk AND tag = ANY(:tags);

-- name: set_patient
UPDATE patient SET attributes = :attributes, name_alphabetic = :name_alphabetic, name_ideographic = :name_ideographic,
    name_phonetic = :name_phonetic, name_terms = :name_terms, name_sort = :name_sort, birth_date = :birth_date,
    sex = :sex, version = version + 1, updated_at = :at
WHERE pk = :pk;

-- name: set_study
UPDATE study SET attributes = :attributes, study_date = :study_date, study_time = :study_time, accession = :accession,
    accession_issuer = :accession_issuer, study_id = :study_id, description = :description, referring = :referring
WHERE pk = :pk;

-- name: set_series
UPDATE series SET attributes = :attributes, modality = :modality, series_number = :series_number,
    description = :description, body_part = :body_part, station_name = :station_name, institution = :institution,
    pps_date = :pps_date, pps_time = :pps_time
WHERE pk = :pk;

-- name: set_modalities
UPDATE study AS s
SET modalities = ARRAY (SELECT DISTINCT e.modality FROM series AS e WHERE e.study_pk = s.pk AND e.modality <> '' ORDER BY 1)
WHERE s.pk = (SELECT study_pk FROM series WHERE pk = :series_pk);

-- name: set_instance
UPDATE instance SET attributes = :attributes, content_date = :content_date, content_time = :content_time,
    instance_number = :instance_number
WHERE pk = :pk;

-- name: touch_patient
-- Everything below has another version now, and goes out otherwise than it came.
WITH touched AS (
    UPDATE study SET version = version + 1, corrected = true WHERE patient_pk = :pk RETURNING pk, study_uid
), below AS (
    UPDATE series AS e SET version = e.version + 1 FROM touched WHERE e.study_pk = touched.pk
)
SELECT study_uid FROM touched ORDER BY study_uid;

-- name: touch_study
WITH touched AS (
    UPDATE study SET version = version + 1, corrected = true WHERE pk = :pk RETURNING pk, study_uid
), below AS (
    UPDATE series AS e SET version = e.version + 1 FROM touched WHERE e.study_pk = touched.pk
)
SELECT study_uid FROM touched;

-- name: touch_series
WITH below AS (
    UPDATE series SET version = version + 1 WHERE pk = :pk RETURNING study_pk
)
UPDATE study SET version = version + 1, corrected = true FROM below WHERE study.pk = below.study_pk RETURNING study_uid;

-- name: touch_instance
WITH it AS (
    SELECT series_pk, study_pk FROM instance WHERE pk = :pk
), below AS (
    UPDATE series SET version = version + 1 FROM it WHERE series.pk = it.series_pk
)
UPDATE study SET version = version + 1, corrected = true FROM it WHERE study.pk = it.study_pk RETURNING study_uid;

-- name: write
INSERT INTO journal (at, who, why, action, target, before, after)
VALUES (:at, :who, :why, :action, :target, :before, :after) RETURNING pk;

-- name: entry
SELECT j.* FROM journal AS j WHERE j.pk = :pk AND /*seen*/ true;

-- name: lock_entry
SELECT * FROM journal WHERE pk = :pk FOR UPDATE;

-- name: entries
SELECT j.* FROM journal AS j
WHERE j.pk < :before AND (:target::text IS NULL OR j.target = :target) AND /*seen*/ true
ORDER BY j.pk DESC LIMIT :limit;

-- name: mark_undone
UPDATE journal SET undone_by = :by WHERE pk = :pk;

-- name: later
-- What came after an entry and stands, of the same target.
SELECT pk, after FROM journal
WHERE target = :target AND pk > :pk AND undone_by IS NULL AND action = ANY(:actions) ORDER BY pk;

-- name: lock_pair
SELECT pk, merged_into FROM patient WHERE pk = ANY(:pks) ORDER BY pk FOR NO KEY UPDATE;

-- name: move_studies
UPDATE study SET patient_pk = :into WHERE patient_pk = :pk RETURNING pk;

-- name: move_back
UPDATE study SET patient_pk = :into WHERE pk = ANY(:pks);

-- name: move_identifiers
UPDATE patient_identifier SET patient_pk = :into, is_primary = false WHERE patient_pk = :pk;

-- name: identifiers_of
SELECT pk, is_primary FROM patient_identifier WHERE patient_pk = :pk ORDER BY pk FOR UPDATE;

-- name: identifiers_back
UPDATE patient_identifier AS p SET patient_pk = :into, is_primary = b.is_primary
FROM unnest(:pks::bigint[], :primary::boolean[]) AS b (pk, is_primary) WHERE p.pk = b.pk;

-- name: set_merged
UPDATE patient SET merged_into = :into, version = version + 1, updated_at = :at WHERE pk = :pk;

-- name: touch_studies
WITH touched AS (
    UPDATE study SET version = version + 1, corrected = true WHERE pk = ANY(:pks) RETURNING pk, study_uid
), below AS (
    UPDATE series AS e SET version = e.version + 1 FROM touched WHERE e.study_pk = touched.pk
)
SELECT study_uid FROM touched ORDER BY study_uid;

-- name: corrections_of
-- What is corrected of these, all levels at once.
SELECT level, target_pk, tag, element, at FROM correction
WHERE (level = 'patient' AND target_pk = ANY(:patients)) OR (level = 'study' AND target_pk = ANY(:studies))
   OR (level = 'series' AND target_pk = ANY(:series)) OR (level = 'instance' AND target_pk = ANY(:instances));

-- name: coercions_of
SELECT i.instance_pk, c.body FROM instance_coercion AS i JOIN coercion AS c ON c.pk = i.coercion_pk
WHERE i.instance_pk = ANY(:instances);

-- name: moved_of
-- Studies that may have been acquired for another patient than theirs, with what that patient is called now.
SELECT s.pk, p.attributes, p.updated_at, id.value AS patient_id, id.issuer
FROM study AS s JOIN patient AS p ON p.pk = s.patient_pk
LEFT JOIN LATERAL (
    SELECT value, issuer FROM patient_identifier
    WHERE patient_pk = p.pk AND value <> '' ORDER BY is_primary DESC, pk LIMIT 1
) AS id ON true
WHERE s.pk = ANY(:studies) AND (s.patient_pk <> s.acquired_patient_pk OR EXISTS (
    SELECT FROM patient_identifier WHERE patient_pk = s.patient_pk AND NOT is_primary));

-- name: keys_of
-- Where objects stand, for those whose study is corrected.
SELECT i.pk, i.series_pk, i.study_pk, s.patient_pk, i.source, i.received_at
FROM instance AS i JOIN study AS s ON s.pk = i.study_pk
WHERE i.pk = ANY(:instances) AND s.corrected;

-- name: held_tags
SELECT tag FROM correction WHERE level = :level AND target_pk = :target_pk;
