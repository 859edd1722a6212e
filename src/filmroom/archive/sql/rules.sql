-- name: version
SELECT version FROM rules_head;

-- name: changed
UPDATE rules_head SET version = version + 1;

-- name: rules
SELECT * FROM rule WHERE kind = :kind ORDER BY priority DESC, name;

-- name: put_rule
INSERT INTO rule (kind, name, priority, enabled, condition, actions, stop, changed_at, changed_by)
VALUES (:kind, :name, :priority, :enabled, :condition, :actions, :stop, :at, :who)
ON CONFLICT (kind, name) DO UPDATE
SET priority = excluded.priority, enabled = excluded.enabled, condition = excluded.condition,
    actions = excluded.actions, stop = excluded.stop, changed_at = excluded.changed_at, changed_by = excluded.changed_by
RETURNING *;

-- name: remove_rule
DELETE FROM rule WHERE kind = :kind AND name = :name;

-- name: policies
SELECT * FROM store_policy ORDER BY calling, called;

-- name: put_policy
INSERT INTO store_policy (calling, called, policy, changed_at, changed_by)
VALUES (:calling, :called, :policy, :at, :who)
ON CONFLICT (calling, called) DO UPDATE
SET policy = excluded.policy, changed_at = excluded.changed_at, changed_by = excluded.changed_by
RETURNING *;

-- name: remove_policy
DELETE FROM store_policy WHERE calling = :calling AND called = :called;

-- name: write
INSERT INTO journal (at, who, why, action, target, before, after)
VALUES (:at, :who, '', :action, :target, NULL, :after);

-- name: keep_coercions
INSERT INTO coercion (digest, body)
SELECT digest, body FROM unnest(:digests::bytea[], :bodies::jsonb[]) AS c (digest, body)
ORDER BY digest ON CONFLICT (digest) DO NOTHING;

-- name: place_coercions
-- Which objects were coerced how; a line of the journal for each study and kind of change.
WITH placed AS (
    INSERT INTO instance_coercion (instance_pk, coercion_pk)
    SELECT i.pk, c.pk
    FROM unnest(:sop_uids::text[], :of::bytea[]) AS o (sop_uid, digest)
    JOIN instance AS i ON i.sop_uid = o.sop_uid AND i.copy = 0
    JOIN coercion AS c ON c.digest = o.digest
    ON CONFLICT (instance_pk) DO UPDATE SET coercion_pk = excluded.coercion_pk
    RETURNING instance_pk, coercion_pk
), met AS (
    SELECT DISTINCT i.study_pk, p.coercion_pk FROM placed AS p JOIN instance AS i ON i.pk = p.instance_pk
), marked AS (
    UPDATE study SET corrected = true FROM met WHERE study.pk = met.study_pk AND NOT study.corrected
)
INSERT INTO journal (at, who, why, action, target, before, after)
SELECT :at, 'system', 'by rule', 'coerce', 'study:' || s.study_uid, NULL,
       c.body || jsonb_build_object('coercion', c.pk)
FROM met JOIN study AS s ON s.pk = met.study_pk JOIN coercion AS c ON c.pk = met.coercion_pk
WHERE NOT EXISTS (SELECT FROM journal AS j WHERE j.target = 'study:' || s.study_uid AND j.action = 'coerce'
                  AND (j.after ->> 'coercion')::bigint = c.pk);
