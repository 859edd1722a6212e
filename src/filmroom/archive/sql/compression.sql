-- name: reached
-- How far a rule has come; locked, so that one process at a time cuts the next page.
INSERT INTO compression_cursor AS c (rule, revision, reached) VALUES (:rule, :revision, 0)
ON CONFLICT (rule) DO UPDATE
SET revision = excluded.revision, reached = CASE WHEN c.revision = excluded.revision THEN c.reached ELSE 0 END
RETURNING reached;

-- name: reach
UPDATE compression_cursor SET reached = :reached WHERE rule = :rule;

-- name: page
-- The last of the next objects that are old enough, and how many there are.
SELECT count(*)::int AS n, max(pk) AS last FROM (
    SELECT pk FROM instance WHERE pk > :after AND received_at < :before ORDER BY pk LIMIT :limit) AS next;

-- name: open_jobs
SELECT count(*) FROM job WHERE kind = :kind AND state IN ('waiting', 'running');

-- name: candidates
-- Visible objects of a page, as they are here, that nothing was made of by this rule.
SELECT i.pk, i.series_pk, i.study_pk, s.study_uid, e.series_uid, i.sop_uid, i.sop_class, i.transfer_syntax,
       i.dataset_offset, i.header_bytes, i.size_bytes, i.digest, i.source, i.received_at, l.store, l.key, l.start
FROM instance AS i
JOIN series AS e ON e.pk = i.series_pk
JOIN study AS s ON s.pk = i.study_pk
JOIN location AS l ON l.instance_pk = i.pk AND l.store = :store AND l.state = 'good'
LEFT JOIN compression AS c ON c.instance_pk = i.pk
WHERE i.pk > :after AND i.pk <= :upto AND i.state = 'visible'
  AND (c.instance_pk IS NULL OR c.state = 'making' OR (c.rule, c.target) IS DISTINCT FROM (:rule, :target))
ORDER BY i.pk;

-- name: candidate
SELECT i.pk, i.series_pk, i.study_pk, s.study_uid, e.series_uid, i.sop_uid, i.sop_class, i.transfer_syntax,
       i.dataset_offset, i.header_bytes, i.size_bytes, i.digest, i.source, i.received_at, l.store, l.key, l.start
FROM instance AS i
JOIN series AS e ON e.pk = i.series_pk
JOIN study AS s ON s.pk = i.study_pk
JOIN location AS l ON l.instance_pk = i.pk AND l.store = :store AND l.state = 'good'
WHERE i.sop_uid = :sop_uid AND e.series_uid = :series_uid AND s.study_uid = :study_uid AND i.state = 'visible';

-- name: begin
-- What is about to be written; an object that was compressed before keeps what is known of how it was received.
INSERT INTO compression AS c (instance_pk, state, rule, target, received_digest, received_syntax, received_bytes,
                              made_digest, made_bytes, pixel_digest, at)
VALUES (:pk, 'making', :rule, :target, :digest, :syntax, :size_bytes, :made_digest, :made_bytes, :pixels, :at)
ON CONFLICT (instance_pk) DO UPDATE
SET state = 'making', rule = excluded.rule, target = excluded.target, reason = '', at = excluded.at,
    made_digest = excluded.made_digest, made_bytes = excluded.made_bytes, pixel_digest = excluded.pixel_digest;

-- name: leave
INSERT INTO compression AS c (instance_pk, state, rule, target, reason, received_digest, received_syntax,
                              received_bytes, at)
VALUES (:pk, :state, :rule, :target, :reason, :digest, :syntax, :size_bytes, :at)
ON CONFLICT (instance_pk) DO UPDATE
SET state = CASE WHEN c.state = 'done' THEN 'done' ELSE excluded.state END, rule = excluded.rule, target = excluded.target,
    reason = excluded.reason, at = excluded.at;

-- name: lock_study
SELECT pk FROM study WHERE pk = :pk AND state = 'visible' FOR NO KEY UPDATE;

-- name: still
-- Whether the object is as it was when its compressed form was made.
SELECT true FROM instance AS i JOIN location AS l ON l.instance_pk = i.pk AND l.store = :store
WHERE i.pk = :pk AND i.state = 'visible' AND i.digest = :digest AND (l.key, l.start) = (:key, :start)
FOR UPDATE OF i;

-- name: done
UPDATE compression SET state = 'done', at = :at WHERE instance_pk = :pk;

-- name: stored_since
-- Whether an object came in lately, by the last facts.
SELECT EXISTS (SELECT FROM fact WHERE kind = 'InstancesStored' AND at > :since
               AND seq > (SELECT seq - 1000 FROM feed_head));

-- name: totals
SELECT rule, state, count(*)::int AS objects, coalesce(sum(received_bytes), 0)::bigint AS received_bytes,
       coalesce(sum(made_bytes) FILTER (WHERE state = 'done'), 0)::bigint AS made_bytes
FROM compression GROUP BY rule, state ORDER BY rule, state;

-- name: reasons
SELECT rule, reason, count(*)::int AS objects FROM compression WHERE state = 'left'
GROUP BY rule, reason ORDER BY objects DESC LIMIT 100;
