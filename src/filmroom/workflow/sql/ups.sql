-- name: subscribing
-- Creations go on beside each other; a global subscription waits for them and they for it.
SELECT pg_advisory_xact_lock(1431325011);

-- name: creating
SELECT pg_advisory_xact_lock_shared(1431325011);

-- name: add
INSERT INTO workitem (sop_uid, state, label, worklist_label, priority, readiness, start_at, patient_id, study_uid,
                      source, charset, attributes, created_at, updated_at)
VALUES (:sop_uid, 'SCHEDULED', :label, :worklist_label, :priority, :readiness, :start_at, :patient_id, :study_uid,
        :source, :charset, :attributes, :at, :at)
ON CONFLICT (sop_uid) DO NOTHING
RETURNING pk;

-- name: get
SELECT w.pk, w.sop_uid, w.state, w.transaction_uid, w.charset, w.attributes, w.version, w.deleted_at FROM workitem w
WHERE w.sop_uid = :sop_uid AND /*seen*/ true;

-- name: lock
SELECT w.pk, w.sop_uid, w.state, w.transaction_uid, w.charset, w.attributes, w.version, w.deleted_at FROM workitem w
WHERE w.sop_uid = :sop_uid AND /*seen*/ true FOR NO KEY UPDATE OF w;

-- name: set
UPDATE workitem
SET label = :label, worklist_label = :worklist_label, priority = :priority, readiness = :readiness,
    start_at = :start_at, patient_id = :patient_id, study_uid = :study_uid, attributes = :attributes,
    version = version + 1, updated_at = :at
WHERE pk = :pk;

-- name: set_state
UPDATE workitem
SET state = :state, transaction_uid = :transaction_uid, attributes = :attributes, version = version + 1,
    updated_at = :at, finished_at = :finished_at
WHERE pk = :pk;

-- name: globals
SELECT receiver, filtered, deletion_lock, keys FROM workitem_global ORDER BY receiver, filtered;

-- name: subscribe
INSERT INTO workitem_subscription (workitem_pk, receiver, deletion_lock)
VALUES (:pk, :receiver, :deletion_lock)
ON CONFLICT (workitem_pk, receiver) DO UPDATE SET deletion_lock = excluded.deletion_lock;

-- name: subscribe_new
-- Those that hear of it already stay as they are (table CC.2.3-2).
INSERT INTO workitem_subscription (workitem_pk, receiver, deletion_lock)
SELECT unnest(:pks::bigint[]), :receiver, :deletion_lock
ON CONFLICT (workitem_pk, receiver) DO NOTHING
RETURNING workitem_pk;

-- name: unsubscribe
DELETE FROM workitem_subscription WHERE workitem_pk = :pk AND receiver = :receiver;

-- name: unsubscribe_all
DELETE FROM workitem_subscription WHERE receiver = :receiver;

-- name: receivers
SELECT receiver FROM workitem_subscription WHERE workitem_pk = :pk ORDER BY receiver;

-- name: put_global
INSERT INTO workitem_global (receiver, filtered, deletion_lock, keys)
VALUES (:receiver, :filtered, :deletion_lock, :keys)
ON CONFLICT (receiver, filtered) DO UPDATE SET deletion_lock = excluded.deletion_lock, keys = excluded.keys;

-- name: drop_global
DELETE FROM workitem_global WHERE receiver = :receiver AND (:filtered::boolean IS NULL OR filtered = :filtered);

-- name: existing
SELECT pk, sop_uid, attributes FROM workitem WHERE deleted_at IS NULL AND pk > :after ORDER BY pk LIMIT :limit;

-- name: add_event
INSERT INTO workitem_event (sop_uid, event_type, attributes, receivers, at)
VALUES (:sop_uid, :event_type, :attributes, :receivers, :at) RETURNING pk;

-- name: event
SELECT pk, sop_uid, event_type, attributes, receivers FROM workitem_event WHERE pk = :pk;

-- name: events_for
SELECT v.pk, v.sop_uid, v.event_type, v.attributes FROM workitem_event v JOIN workitem w ON w.sop_uid = v.sop_uid
WHERE v.pk = ANY (:pks::bigint[]) AND :receiver = ANY (v.receivers) AND /*seen*/ true ORDER BY v.pk;

-- name: dimse_receivers
-- Of AE titles, those that we can call.
SELECT ae_title FROM device WHERE ae_title = ANY (:titles::text[]) AND enabled;

-- name: listeners
-- Everybody who hears of anything.
SELECT receiver FROM workitem_global UNION SELECT receiver FROM workitem_subscription;

-- name: announcing
-- One process at a time judges what the archive does as a whole.
SELECT pg_advisory_xact_lock(x'55505353'::int);

-- name: others_went_on
SELECT EXISTS (SELECT FROM live_node WHERE started_at < :before
               AND seen_at >= now() - make_interval(secs => :silent_s));

-- name: nodes
SELECT count(*)::int FROM live_node WHERE seen_at >= now() - make_interval(secs => :silent_s);

-- name: announced_since
SELECT EXISTS (SELECT FROM workitem_event WHERE event_type = 4 AND at >= :since
               AND attributes -> '00741242' -> 'Value' ->> 0 = 'RESTARTED');

-- name: untold
-- Whether the last report of the provider's status is still on its way to anybody.
SELECT EXISTS (SELECT FROM job WHERE kind = 'ups-event' AND state IN ('waiting', 'running')
               AND (body ->> 'event')::bigint = (SELECT max(pk) FROM workitem_event WHERE event_type = 4));

-- name: expired
-- Finished items that nobody holds.
UPDATE workitem w SET deleted_at = :at, attributes = '{}', patient_id = '', label = ''
WHERE w.finished_at < :before AND w.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM workitem_subscription s WHERE s.workitem_pk = w.pk AND s.deletion_lock)
RETURNING w.pk;

-- name: forget_subscriptions
DELETE FROM workitem_subscription WHERE workitem_pk = ANY (:pks::bigint[]);

-- name: subscriptions
SELECT s.receiver, w.sop_uid, s.deletion_lock FROM workitem_subscription s JOIN workitem w ON w.pk = s.workitem_pk
WHERE (:receiver::text = '' OR s.receiver = :receiver) AND /*seen*/ true
ORDER BY s.receiver, w.sop_uid LIMIT :limit;
