-- name: rows_after
-- Objects and their copies in one store, in the order of their keys.
SELECT i.pk, i.sop_uid, i.dataset_offset, i.digest AS dataset_digest, l.store, l.key, l.start, l.size_bytes, l.digest, l.state
FROM instance i JOIN location l ON l.instance_pk = i.pk AND l.store = :store
WHERE i.pk > :after ORDER BY i.pk LIMIT :limit;

-- name: without_location
SELECT i.pk, i.sop_uid FROM instance i
WHERE i.pk > :after AND i.pk <= :upto AND NOT EXISTS (SELECT FROM location l WHERE l.instance_pk = i.pk)
ORDER BY i.pk;

-- name: objects
SELECT count(*) FROM instance;

-- name: note_state
-- What the check found of a copy; only a change is written.
UPDATE location SET state = :state WHERE instance_pk = ANY(:pks::bigint[]) AND store = :store
AND state IN ('good', 'missing', 'corrupt') AND state <> :state;

-- name: starts_in
SELECT start FROM location WHERE key = :key AND store = :store
UNION ALL SELECT start FROM superseded WHERE key = :key AND store = :store;

-- name: refers_to
SELECT EXISTS (SELECT FROM location WHERE key = :key AND store = :store)
    OR EXISTS (SELECT FROM superseded WHERE key = :key AND store = :store)
    OR EXISTS (SELECT FROM quarantine WHERE key = :key AND state = 'waiting');
