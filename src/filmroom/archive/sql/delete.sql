-- Deleting: rows are marked first, bytes go later. Locks are taken as filing takes them: study, then the rest.

-- name: lock_study
SELECT pk, version FROM study WHERE study_uid = :study AND state = 'visible' FOR NO KEY UPDATE;

-- name: lock_study_of_instances
SELECT s.pk, s.study_uid FROM study AS s
WHERE s.pk = (SELECT study_pk FROM instance WHERE pk = ANY(:pks) LIMIT 1) FOR NO KEY UPDATE;

-- name: mark
-- Visible objects below the study, of one series or one object where that is named, become deleted.
UPDATE instance AS i SET state = 'deleted'
FROM series AS e
WHERE e.pk = i.series_pk AND i.study_pk = :study_pk AND i.state = 'visible'
  AND (:series::text IS NULL OR e.series_uid = :series) AND (:instance::text IS NULL OR i.sop_uid = :instance)
RETURNING i.pk, i.sop_uid, i.series_pk, e.series_uid;

-- name: unmark
UPDATE instance SET state = 'visible' WHERE pk = ANY(:pks) AND state = 'deleted' RETURNING pk, sop_uid, series_pk;

-- name: recount_series
-- What is empty takes no objects until it is undone or forgotten: filing refuses them.
UPDATE series AS e
SET n_instances = c.n, size_bytes = c.bytes, sop_classes = c.classes, version = e.version + 1,
    state = CASE WHEN e.state NOT IN ('visible', 'deleted') THEN e.state WHEN c.n > 0 THEN 'visible' ELSE 'deleted' END
FROM (SELECT p.pk, count(i.pk)::int AS n, coalesce(sum(i.size_bytes), 0)::bigint AS bytes,
             coalesce(array_agg(DISTINCT i.sop_class) FILTER (WHERE i.pk IS NOT NULL), '{}') AS classes
      FROM unnest(:pks::bigint[]) AS p (pk)
      LEFT JOIN instance AS i ON i.series_pk = p.pk AND i.state = 'visible'
      GROUP BY p.pk) AS c
WHERE e.pk = c.pk;

-- name: recount_study
UPDATE study AS s
SET n_series = c.n_series, n_instances = c.n, size_bytes = c.bytes, modalities = c.modalities,
    sop_classes = c.classes, version = s.version + 1,
    state = CASE WHEN s.state NOT IN ('visible', 'deleted') THEN s.state WHEN c.n > 0 THEN 'visible' ELSE 'deleted' END
FROM (SELECT count(*) FILTER (WHERE e.n_instances > 0)::int AS n_series,
             coalesce(sum(e.n_instances), 0)::int AS n, coalesce(sum(e.size_bytes), 0)::bigint AS bytes,
             coalesce(array_agg(DISTINCT e.modality) FILTER (WHERE e.n_instances > 0 AND e.modality <> ''), '{}')
                 AS modalities,
             coalesce((SELECT array_agg(DISTINCT k) FROM series AS f, unnest(f.sop_classes) AS k
                       WHERE f.study_pk = :study_pk), '{}') AS classes
      FROM series AS e WHERE e.study_pk = :study_pk) AS c
WHERE s.pk = :study_pk;

-- name: journal
INSERT INTO journal (at, who, why, action, target, before, after)
VALUES (:at, :who, :why, :action, :target, :before, :after) RETURNING pk;

-- name: entry
SELECT pk, at, who, why, target, after, undone_by FROM journal
WHERE pk = :pk AND action = 'delete' FOR UPDATE;

-- name: past
SELECT j.pk, j.at, j.who, j.why, j.target, j.undone_by, j.after ->> 'study' AS study,
       j.after ->> 'final_at' AS final_at, jsonb_array_length(j.after -> 'pks') AS instances
FROM journal AS j WHERE j.action = 'delete' AND j.pk < :before AND /*seen*/ true ORDER BY j.pk DESC LIMIT :limit;

-- name: undone
UPDATE journal SET undone_by = :by WHERE pk = :pk;

-- name: still_deleted
SELECT i.pk, i.series_pk, i.study_pk FROM instance AS i WHERE i.pk = ANY(:pks) AND i.state = 'deleted'
ORDER BY i.pk LIMIT :limit;

-- name: places
SELECT instance_pk, store, key, start, size_bytes FROM location WHERE instance_pk = ANY(:pks);

-- name: forget_places
DELETE FROM location WHERE instance_pk = ANY(:pks);

-- name: forget
DELETE FROM instance WHERE pk = ANY(:pks) AND state = 'deleted';

-- name: forget_series
-- Series that hold nothing at all any more, not even something that waits to go; their documents go with them.
WITH gone AS (
    DELETE FROM series AS e
    WHERE e.pk = ANY(:pks) AND e.n_instances = 0 AND NOT EXISTS (SELECT FROM instance WHERE series_pk = e.pk)
    RETURNING e.pk)
DELETE FROM series_document WHERE series_pk IN (SELECT pk FROM gone);

-- name: forget_study
WITH gone AS (
    DELETE FROM study AS s
    WHERE s.pk = :study_pk AND s.n_instances = 0 AND NOT EXISTS (SELECT FROM series WHERE study_pk = s.pk)
    RETURNING s.pk)
DELETE FROM study_settling WHERE study_pk IN (SELECT pk FROM gone);
