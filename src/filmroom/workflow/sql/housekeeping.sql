-- name: events
DELETE FROM workitem_event WHERE at < :before;

-- name: tombstones
DELETE FROM workitem WHERE deleted_at < :before;

-- name: jobs
DELETE FROM job WHERE state IN ('done', 'dead', 'cancelled') AND finished_at < :before;

-- name: delivery_items
DELETE FROM delivery_item i USING delivery d
WHERE d.pk = i.delivery_pk AND d.state IN ('done', 'cancelled') AND d.finished_at < :before;

-- name: deliveries
DELETE FROM delivery WHERE state IN ('done', 'cancelled') AND finished_at < :before;

-- name: commitment_items
DELETE FROM commitment_item i USING commitment c WHERE c.pk = i.commitment_pk AND c.finished_at < :before;

-- name: commitments
DELETE FROM commitment WHERE finished_at < :before;

-- name: overdue
-- Requests of ours that were taken and never reported on. A report that comes all the same is still taken.
UPDATE commitment SET trouble = 'overdue: the device has not reported'
WHERE side = 'scu' AND state = 'asked' AND trouble = '' AND asked_at < :before;

-- name: notices
DELETE FROM availability_notice WHERE at < :before;
