-- name: add
INSERT INTO export (kind, destination, principal, reason, project_pk, trust, total, created_at)
VALUES (:kind, :destination, :principal, :reason, :project_pk, :trust, :total, :at)
RETURNING pk;

-- name: add_items
INSERT INTO export_item (export_pk, n, study_uid, sop_uid)
SELECT :pk::bigint, row_number() OVER (), study_uid, sop_uid
FROM unnest(:study_uids::text[], :sop_uids::text[]) AS item (study_uid, sop_uid);

-- name: set_job
UPDATE export SET job_pk = :job_pk WHERE pk = :pk;

-- name: list
SELECT export.pk, kind, destination, state, principal, reason, project.name AS project, trust, total, written, withheld,
       failed, size_bytes, report, path, job_pk, delivery_pk, trouble, export.created_at, finished_at, removed_at
FROM export LEFT JOIN deidentification_project AS project ON project.pk = export.project_pk
WHERE (:pk::bigint IS NULL OR export.pk = :pk) AND (:principal::text IS NULL OR principal = :principal)
  AND (:before::bigint IS NULL OR export.pk < :before)
  AND (:study::text IS NULL OR export.pk IN (SELECT export_pk FROM export_item WHERE study_uid = :study))
  AND /*seen*/ true
ORDER BY export.pk DESC LIMIT :limit;

-- name: order_of
SELECT kind, destination, state, principal, project_pk, trust FROM export WHERE pk = :pk;

-- name: items
SELECT n, study_uid, sop_uid, state, comment FROM export_item WHERE export_pk = :pk ORDER BY n;

-- name: not_written
SELECT n, study_uid, sop_uid, state, comment FROM export_item
WHERE export_pk = :pk AND state IN ('withheld', 'failed') ORDER BY n LIMIT :limit;

-- name: record
UPDATE export_item SET state = said.state, comment = said.comment
FROM unnest(:ns::int[], :states::text[], :comments::text[]) AS said (n, state, comment)
WHERE export_pk = :pk AND export_item.n = said.n;

-- name: finish
UPDATE export SET state = :state, trouble = :trouble, finished_at = :at, path = :path, size_bytes = :size_bytes,
    report = :report, delivery_pk = :delivery_pk,
    written = (SELECT count(*) FROM export_item WHERE export_pk = :pk AND export_item.state = 'written'),
    withheld = (SELECT count(*) FROM export_item WHERE export_pk = :pk AND export_item.state = 'withheld'),
    failed = (SELECT count(*) FROM export_item WHERE export_pk = :pk AND export_item.state = 'failed')
WHERE pk = :pk AND state = 'waiting'
RETURNING pk;

-- name: cancel
UPDATE export SET state = 'cancelled', finished_at = :at WHERE pk = :pk AND state = 'waiting' RETURNING job_pk;

-- name: removed
UPDATE export SET removed_at = :at, path = NULL WHERE pk = :pk AND path IS NOT NULL;

-- name: old_files
SELECT pk, path FROM export
WHERE kind = 'zip' AND path IS NOT NULL AND finished_at < :before ORDER BY pk LIMIT 100;
