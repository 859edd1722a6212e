-- Visible objects with the best copy of their bytes, in the order in which a reader wants them.
-- One statement per way in, so that each has one plan.

-- name: located_by_instance
SELECT i.pk, i.series_pk, st.study_uid, se.series_uid, i.sop_uid, i.sop_class, i.transfer_syntax, i.dataset_offset, i.header_bytes,
       i.size_bytes, i.digest, i.source, i.instance_number, i.frames, l.store, l.key, l.start, l.size_bytes AS stored_bytes, st.corrected
FROM instance AS i
JOIN series AS se ON se.pk = i.series_pk
JOIN study AS st ON st.pk = i.study_pk
CROSS JOIN LATERAL (
    SELECT store, key, start, size_bytes FROM location
    WHERE instance_pk = i.pk AND state <> 'leaving' ORDER BY state <> 'good', store LIMIT 1
) AS l
WHERE i.sop_uid = ANY(:instances) AND i.state = ANY(:states::text[]) AND se.state = ANY(:states::text[]) AND st.state = ANY(:states::text[])
  AND (:series::text[] IS NULL OR se.series_uid = ANY(:series))
  AND (:studies::text[] IS NULL OR st.study_uid = ANY(:studies))
ORDER BY st.study_uid, se.series_number, se.pk, i.instance_number, i.pk;

-- name: located_by_series
SELECT i.pk, i.series_pk, st.study_uid, se.series_uid, i.sop_uid, i.sop_class, i.transfer_syntax, i.dataset_offset, i.header_bytes,
       i.size_bytes, i.digest, i.source, i.instance_number, i.frames, l.store, l.key, l.start, l.size_bytes AS stored_bytes, st.corrected
FROM series AS se
JOIN study AS st ON st.pk = se.study_pk
JOIN instance AS i ON i.series_pk = se.pk
CROSS JOIN LATERAL (
    SELECT store, key, start, size_bytes FROM location
    WHERE instance_pk = i.pk AND state <> 'leaving' ORDER BY state <> 'good', store LIMIT 1
) AS l
WHERE se.series_uid = ANY(:series) AND i.state = ANY(:states::text[]) AND se.state = ANY(:states::text[]) AND st.state = ANY(:states::text[])
  AND (:studies::text[] IS NULL OR st.study_uid = ANY(:studies))
ORDER BY st.study_uid, se.series_number, se.pk, i.instance_number, i.pk;

-- name: located_by_study
SELECT i.pk, i.series_pk, st.study_uid, se.series_uid, i.sop_uid, i.sop_class, i.transfer_syntax, i.dataset_offset, i.header_bytes,
       i.size_bytes, i.digest, i.source, i.instance_number, i.frames, l.store, l.key, l.start, l.size_bytes AS stored_bytes, st.corrected
FROM study AS st
JOIN series AS se ON se.study_pk = st.pk
JOIN instance AS i ON i.series_pk = se.pk
CROSS JOIN LATERAL (
    SELECT store, key, start, size_bytes FROM location
    WHERE instance_pk = i.pk AND state <> 'leaving' ORDER BY state <> 'good', store LIMIT 1
) AS l
WHERE st.study_uid = ANY(:studies) AND i.state = ANY(:states::text[]) AND se.state = ANY(:states::text[]) AND st.state = ANY(:states::text[])
ORDER BY st.study_uid, se.series_number, se.pk, i.instance_number, i.pk;

-- name: studies_of_patient
-- An issuer that is not given matches any; identifiers that Filmroom made up for itself match none.
SELECT st.study_uid
FROM patient_identifier AS pi
JOIN study AS st ON st.patient_pk = pi.patient_pk
WHERE pi.value = :patient_id AND pi.value <> '' AND (:issuer::text IS NULL OR pi.issuer = :issuer)
  AND st.state = 'visible';
