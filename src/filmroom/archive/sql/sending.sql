-- name: order
INSERT INTO delivery (ae_title, priority, principal, reason, commit, n_items, created_at, retry_until)
VALUES (:ae_title, :priority, :principal, :reason, :commit, :n_items, :at, :retry_until)
RETURNING pk;

-- name: order_items
INSERT INTO delivery_item (delivery_pk, n, part, series_uid, sop_class, sop_uid)
SELECT :pk, i.n, i.part, i.series_uid, i.sop_class, i.sop_uid
FROM unnest(:parts::int[], :series_uids::text[], :sop_classes::text[], :sop_uids::text[])
     WITH ORDINALITY AS i (part, series_uid, sop_class, sop_uid, n);

-- name: destination
SELECT associations FROM destination WHERE ae_title = :ae_title;

-- name: delivery
SELECT pk, ae_title, priority, state, principal, commit, retry_until FROM delivery WHERE pk = :pk;

-- name: reopen_part
-- What was being sent when its process ended may have arrived: it is sent again, and that is said.
UPDATE delivery_item SET state = 'waiting', attempts = attempts + 1, unsure = true, at = :at,
                         comment = 'the process ended while it was being sent'
WHERE delivery_pk = :pk AND part = :part AND state = 'sending';

-- name: waiting_of_part
SELECT n, sop_uid, attempts, unsure FROM delivery_item
WHERE delivery_pk = :pk AND part = :part AND state = 'waiting' ORDER BY n;

-- name: begin
UPDATE delivery_item SET state = 'sending' WHERE delivery_pk = :pk AND n = ANY (:ns) AND state = 'waiting';

-- name: not_begun
UPDATE delivery_item SET state = 'waiting' WHERE delivery_pk = :pk AND n = ANY (:ns) AND state = 'sending';

-- name: record
UPDATE delivery_item i SET state = r.state, status = r.status, comment = r.comment, at = :at,
                           attempts = i.attempts + r.left_us, unsure = i.unsure OR r.unsure
FROM unnest(:ns::int[], :states::text[], :statuses::int[], :comments::text[], :left_us::int[], :unsure::boolean[])
     AS r (n, state, status, comment, left_us, unsure)
WHERE i.delivery_pk = :pk AND i.n = r.n AND i.state <> 'cancelled';

-- name: state
SELECT state FROM delivery WHERE pk = :pk;

-- name: interrupted
UPDATE delivery SET trouble = :trouble WHERE pk = :pk;

-- name: give_up_part
UPDATE delivery_item SET state = 'failed', at = :at, comment = CASE WHEN comment = '' THEN :comment ELSE comment END
WHERE delivery_pk = :pk AND part = :part AND state IN ('waiting', 'sending');

-- name: close
-- The delivery is at its end when none of its items is open.
UPDATE delivery d SET state = CASE WHEN c.failed > 0 THEN 'failed' ELSE 'done' END, finished_at = :at
FROM (SELECT count(*) FILTER (WHERE state = 'failed') AS failed,
             count(*) FILTER (WHERE state IN ('waiting', 'sending')) AS open
      FROM delivery_item WHERE delivery_pk = :pk) AS c
WHERE d.pk = :pk AND d.state = 'waiting' AND c.open = 0
RETURNING d.ae_title, d.state, d.commit;

-- name: sent_of
SELECT sop_class, sop_uid FROM delivery_item WHERE delivery_pk = :pk AND state IN ('sent', 'warning') ORDER BY n;

-- name: cancel
UPDATE delivery SET state = 'cancelled', finished_at = :at WHERE pk = :pk AND state = 'waiting'
RETURNING ae_title;

-- name: cancel_items
UPDATE delivery_item SET state = 'cancelled', at = :at WHERE delivery_pk = :pk AND state = 'waiting';

-- name: reopen
-- Send again what failed or was called off: at once, with the time it had at first.
UPDATE delivery SET state = 'waiting', finished_at = NULL, trouble = '', retry_until = :retry_until
WHERE pk = :pk AND state IN ('failed', 'cancelled')
RETURNING ae_title, priority, principal;

-- name: reopen_items
UPDATE delivery_item SET state = 'waiting', attempts = 0 WHERE delivery_pk = :pk AND state IN ('failed', 'cancelled')
RETURNING part;

-- name: list
SELECT d.pk, d.ae_title, d.priority, d.state, d.principal, d.reason, d.commit, d.trouble, d.created_at, d.finished_at,
       d.n_items AS total, i.sent, i.warned, i.failed, i.waiting, i.repeated
FROM (SELECT d.* FROM delivery d
      WHERE (:ae_title::text IS NULL OR d.ae_title = :ae_title) AND (:state::text IS NULL OR d.state = :state)
        AND (:pk::bigint IS NULL OR d.pk = :pk) AND (:before::bigint IS NULL OR d.pk < :before) AND /*seen*/ true
      ORDER BY d.pk DESC LIMIT :limit) d
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state IN ('sent', 'warning')) AS sent,
           count(*) FILTER (WHERE state = 'warning') AS warned,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           count(*) FILTER (WHERE state IN ('waiting', 'sending')) AS waiting,
           count(*) FILTER (WHERE unsure) AS repeated
    FROM delivery_item WHERE delivery_pk = d.pk) i
ORDER BY d.pk DESC;

-- name: items
SELECT n, series_uid, sop_class, sop_uid, state, attempts, unsure, status, comment, at
FROM delivery_item WHERE delivery_pk = :pk AND (:state::text IS NULL OR state = :state) AND n > :after
ORDER BY n LIMIT :limit;

-- name: destinations
SELECT d.ae_title, d.associations, d.bytes_per_s, d.paused, d.failures, d.away_until, d.trouble,
       (SELECT count(*) FROM delivery_item i JOIN delivery o ON o.pk = i.delivery_pk
        WHERE o.ae_title = d.ae_title AND o.state = 'waiting' AND i.state IN ('waiting', 'sending')
          AND /*seen*/ true) AS waiting
FROM destination d ORDER BY d.ae_title;

-- name: configure
INSERT INTO destination (ae_title, associations, bytes_per_s) VALUES (:ae_title, :associations, :bytes_per_s)
ON CONFLICT (ae_title) DO UPDATE SET associations = excluded.associations, bytes_per_s = excluded.bytes_per_s;

-- name: pause
INSERT INTO destination (ae_title, paused) VALUES (:ae_title, :paused)
ON CONFLICT (ae_title) DO UPDATE SET paused = excluded.paused, failures = 0, away_until = NULL;
