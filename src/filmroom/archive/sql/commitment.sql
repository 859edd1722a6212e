-- name: open
-- A new transaction; null when the peer has used its UID before.
INSERT INTO commitment (side, peer, our_ae, transaction_uid, state, delivery_pk, asked_at)
VALUES (:side, :peer, :our_ae, :uid, :state, :delivery_pk, :at)
ON CONFLICT (side, peer, transaction_uid) DO NOTHING RETURNING pk;

-- name: refer
INSERT INTO commitment_item (commitment_pk, n, sop_class, sop_uid)
SELECT :pk, r.n, r.sop_class, r.sop_uid
FROM unnest(:sop_classes::text[], :sop_uids::text[]) WITH ORDINALITY AS r (sop_class, sop_uid, n);

-- name: get
SELECT pk, side, peer, our_ae, transaction_uid, state, trouble, delivery_pk, asked_at, finished_at
FROM commitment WHERE pk = :pk;

-- name: of_transaction
SELECT pk, state FROM commitment WHERE side = :side AND peer = :peer AND transaction_uid = :uid FOR UPDATE;

-- name: of_web_transaction
SELECT pk, state FROM commitment WHERE side = 'web' AND peer = :peer AND transaction_uid = :uid;

-- name: instances
-- What it asks about and is here.
SELECT i.pk, i.sop_uid FROM commitment_item x JOIN instance i ON i.sop_uid = x.sop_uid WHERE x.commitment_pk = :pk;

-- name: items
SELECT n, sop_class, sop_uid, reason FROM commitment_item WHERE commitment_pk = :pk ORDER BY n;

-- name: held
-- Every copy of the bytes of objects that can be retrieved, best first; one row without a copy where there is none.
SELECT i.sop_uid, i.sop_class, i.dataset_offset, i.digest AS dataset_digest, l.store, l.key, l.start, l.size_bytes,
       l.digest
FROM instance i
JOIN series se ON se.pk = i.series_pk
JOIN study st ON st.pk = i.study_pk
LEFT JOIN location l ON l.instance_pk = i.pk AND l.state <> 'leaving'
WHERE i.sop_uid = ANY (:uids) AND i.state = 'visible' AND se.state = 'visible' AND st.state = 'visible'
ORDER BY i.sop_uid, l.state <> 'good', l.store;

-- name: decide
UPDATE commitment_item i SET reason = v.reason
FROM unnest(:ns::int[], :reasons::int[]) AS v (n, reason)
WHERE i.commitment_pk = :pk AND i.n = v.n;

-- name: decide_by_uid
UPDATE commitment_item i SET reason = v.reason
FROM unnest(:uids::text[], :reasons::int[]) AS v (uid, reason)
WHERE i.commitment_pk = :pk AND i.sop_uid = v.uid;

-- name: step
UPDATE commitment SET state = :after, trouble = :trouble,
                      finished_at = CASE WHEN :after IN ('checking', 'reporting', 'delivering', 'asking', 'asked')
                                         THEN NULL ELSE :at::timestamptz END
WHERE pk = :pk AND state = ANY (:before) RETURNING pk;

-- name: note
UPDATE commitment SET trouble = :trouble WHERE pk = :pk;

-- name: list
SELECT c.pk, c.side, c.peer, c.transaction_uid, c.state, c.trouble, c.delivery_pk, c.asked_at, c.finished_at,
       count(*) AS total, count(*) FILTER (WHERE i.reason = 0) AS committed,
       count(*) FILTER (WHERE i.reason <> 0) AS failed
FROM (SELECT c.* FROM commitment c
      WHERE (:side::text IS NULL OR c.side = :side) AND (:delivery_pk::bigint IS NULL OR c.delivery_pk = :delivery_pk)
        AND /*seen*/ true
      ORDER BY c.pk DESC LIMIT :limit) c
LEFT JOIN commitment_item i ON i.commitment_pk = c.pk
GROUP BY c.pk, c.side, c.peer, c.transaction_uid, c.state, c.trouble, c.delivery_pk, c.asked_at, c.finished_at
ORDER BY c.pk DESC;
