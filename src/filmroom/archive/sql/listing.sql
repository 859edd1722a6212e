-- What the archive knows of the rows of a list beside their attributes (archive/listing.py).

-- name: studies
SELECT study_uid AS uid, pk, patient_pk, size_bytes, received_last FROM study WHERE study_uid = ANY(:uids);

-- name: series
SELECT e.series_uid AS uid, e.pk, e.size_bytes, e.received_last
FROM series AS e JOIN study AS s ON s.pk = e.study_pk WHERE s.study_uid = :study;
