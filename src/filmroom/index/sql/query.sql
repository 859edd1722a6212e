-- What the rows of an answer are made of, by the keys that the compiled question found (index/query.py).

-- name: patients
SELECT p.pk, p.attributes, id.value AS patient_id, id.issuer
FROM unnest(:pks::bigint[]) AS wanted (pk)
JOIN patient AS p ON p.pk = wanted.pk
LEFT JOIN LATERAL (
    SELECT value, issuer FROM patient_identifier
    WHERE patient_pk = p.pk AND value <> '' ORDER BY is_primary DESC, pk LIMIT 1
) AS id ON true;

-- name: studies
SELECT s.pk, s.study_uid, s.attributes, s.modalities, s.sop_classes, s.n_series, s.n_instances,
       s.patient_pk, p.attributes AS patient_attributes, id.value AS patient_id, id.issuer
FROM unnest(:pks::bigint[]) AS wanted (pk)
JOIN study AS s ON s.pk = wanted.pk
JOIN patient AS p ON p.pk = s.patient_pk
LEFT JOIN LATERAL (
    SELECT value, issuer FROM patient_identifier
    WHERE patient_pk = p.pk AND value <> '' ORDER BY is_primary DESC, pk LIMIT 1
) AS id ON true;

-- name: series
SELECT e.pk, e.series_uid, e.attributes, e.n_instances, e.study_pk
FROM unnest(:pks::bigint[]) AS wanted (pk)
JOIN series AS e ON e.pk = wanted.pk;

-- name: patient_counts
SELECT patient_pk AS pk, count(*)::int AS studies, sum(n_series)::int AS series, sum(n_instances)::int AS instances
FROM study
WHERE patient_pk = ANY(:pks) AND state = 'visible' AND n_instances > 0
GROUP BY patient_pk;
