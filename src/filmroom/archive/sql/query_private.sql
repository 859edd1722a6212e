-- One visible object of each study, series, or itself, with its copy: what private attributes are read from.

-- name: of_studies
SELECT DISTINCT ON (i.study_pk) i.study_pk AS of, i.transfer_syntax, i.dataset_offset, i.header_bytes, l.store, l.key,
       l.start, l.size_bytes
FROM instance AS i JOIN location AS l ON l.instance_pk = i.pk AND l.state = 'good'
WHERE i.study_pk = ANY (:pks) AND i.state = 'visible' ORDER BY i.study_pk, i.pk;

-- name: of_series
SELECT DISTINCT ON (i.series_pk) i.series_pk AS of, i.transfer_syntax, i.dataset_offset, i.header_bytes, l.store, l.key,
       l.start, l.size_bytes
FROM instance AS i JOIN location AS l ON l.instance_pk = i.pk AND l.state = 'good'
WHERE i.series_pk = ANY (:pks) AND i.state = 'visible' ORDER BY i.series_pk, i.pk;

-- name: of_instances
SELECT DISTINCT ON (i.pk) i.pk AS of, i.transfer_syntax, i.dataset_offset, i.header_bytes, l.store, l.key, l.start,
       l.size_bytes
FROM instance AS i JOIN location AS l ON l.instance_pk = i.pk AND l.state = 'good'
WHERE i.pk = ANY (:pks) ORDER BY i.pk;
