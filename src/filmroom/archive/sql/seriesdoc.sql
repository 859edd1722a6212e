-- name: series_now
-- The version of a visible series, and whether its document is made.
SELECT e.pk, e.version, d.version AS made
FROM series AS e
JOIN study AS s ON s.pk = e.study_pk
LEFT JOIN series_document AS d ON d.series_pk = e.pk
WHERE e.series_uid = :series AND s.study_uid = :study
  AND e.state = 'visible' AND e.n_instances > 0 AND s.state = 'visible';

-- name: series_of_study
SELECT e.pk, e.series_uid, e.version, d.version AS made
FROM study AS s
JOIN series AS e ON e.study_pk = s.pk
LEFT JOIN series_document AS d ON d.series_pk = e.pk
WHERE s.study_uid = :study AND e.state = 'visible' AND e.n_instances > 0 AND s.state = 'visible'
ORDER BY e.series_number, e.pk;

-- name: document
SELECT body FROM series_document WHERE series_pk = :series_pk AND version = :version;

-- name: keep_document
INSERT INTO series_document AS d (series_pk, version, body, made_at)
VALUES (:series_pk, :version, :body, :made_at)
ON CONFLICT (series_pk) DO UPDATE SET version = excluded.version, body = excluded.body, made_at = excluded.made_at
WHERE d.version < excluded.version;

-- name: headers
-- Where the header of each visible object of a series is, in the order in which they are shown.
SELECT i.pk, i.sop_uid, i.transfer_syntax, i.dataset_offset, i.header_bytes, l.store, l.key, l.start, l.size_bytes,
       s.corrected
FROM instance AS i
JOIN study AS s ON s.pk = i.study_pk
CROSS JOIN LATERAL (
    SELECT store, key, start, size_bytes FROM location
    WHERE instance_pk = i.pk AND state <> 'leaving' ORDER BY state <> 'good', store LIMIT 1
) AS l
WHERE i.series_pk = :series_pk AND i.state = 'visible'
ORDER BY i.instance_number, i.pk;

-- name: headers_behind
-- The same of those that came after the object with key :last_pk, in the order in which they came.
SELECT i.pk, i.sop_uid, i.transfer_syntax, i.dataset_offset, i.header_bytes, l.store, l.key, l.start, l.size_bytes,
       s.corrected
FROM study AS s
JOIN series AS e ON e.study_pk = s.pk AND e.series_uid = :series
JOIN instance AS i ON i.series_pk = e.pk AND i.state = 'visible'
CROSS JOIN LATERAL (
    SELECT store, key, start, size_bytes FROM location
    WHERE instance_pk = i.pk AND state <> 'leaving' ORDER BY state <> 'good', store LIMIT 1
) AS l
WHERE s.study_uid = :study AND i.pk > :last_pk
ORDER BY i.pk
LIMIT :limit;
