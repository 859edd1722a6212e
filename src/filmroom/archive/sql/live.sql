-- name: seen_node
INSERT INTO live_node (node, seen_at) VALUES (:node, now()) ON CONFLICT (node) DO UPDATE SET seen_at = now();

-- name: put_live
INSERT INTO live_association AS l (node, id, inbound, peer, calling_ae, called_ae, opened_at, active_at, operation,
    messages_in, messages_out, pdus_in, pdus_out, bytes_in, bytes_out, objects_in, objects_out)
SELECT :node, r.id, r.inbound, r.peer, r.calling_ae, r.called_ae, r.opened_at, r.active_at, r.operation,
       r.messages_in, r.messages_out, r.pdus_in, r.pdus_out, r.bytes_in, r.bytes_out, r.objects_in, r.objects_out
FROM jsonb_to_recordset(:live::jsonb) AS r(
    id bigint, inbound boolean, peer text, calling_ae text, called_ae text, opened_at timestamptz,
    active_at timestamptz, operation text, messages_in bigint, messages_out bigint, pdus_in bigint, pdus_out bigint,
    bytes_in bigint, bytes_out bigint, objects_in bigint, objects_out bigint)
ON CONFLICT (node, id) DO UPDATE
SET active_at = excluded.active_at, operation = excluded.operation, messages_in = excluded.messages_in,
    messages_out = excluded.messages_out, pdus_in = excluded.pdus_in, pdus_out = excluded.pdus_out,
    bytes_in = excluded.bytes_in, bytes_out = excluded.bytes_out, objects_in = excluded.objects_in,
    objects_out = excluded.objects_out;

-- name: drop_live
DELETE FROM live_association WHERE node = :node AND id = ANY(:ids::bigint[]);

-- name: drop_node
WITH gone AS (DELETE FROM live_association WHERE node = :node)
DELETE FROM live_node WHERE node = :node;

-- name: drop_silent
-- What processes left behind that ended without a word.
WITH silent AS (DELETE FROM live_node WHERE seen_at < now() - make_interval(secs => :silent_s) RETURNING node)
DELETE FROM live_association AS l USING silent WHERE l.node = silent.node;

-- name: list_live
SELECT l.* FROM live_association AS l JOIN live_node AS n ON n.node = l.node
WHERE n.seen_at >= now() - make_interval(secs => :silent_s)
ORDER BY l.opened_at, l.node, l.id;

-- name: is_live
SELECT true FROM live_association WHERE node = :node AND id = :id;

-- name: ask_abort
SELECT pg_notify(:channel, :what);
