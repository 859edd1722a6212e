-- name: rules
SELECT * FROM forward_rule ORDER BY rank DESC, name;

-- name: put
INSERT INTO forward_rule (name, event, condition, destinations, rank, stop, priority, commit, delay_s, enabled,
                          changed_at, changed_by)
VALUES (:name, :event, :condition, :destinations, :rank, :stop, :priority, :commit, :delay_s, :enabled, :at, :who)
ON CONFLICT (name) DO UPDATE
SET event = excluded.event, condition = excluded.condition, destinations = excluded.destinations, rank = excluded.rank,
    stop = excluded.stop, priority = excluded.priority, commit = excluded.commit, delay_s = excluded.delay_s,
    enabled = excluded.enabled, changed_at = excluded.changed_at, changed_by = excluded.changed_by
RETURNING *;

-- name: remove
DELETE FROM forward_rule WHERE name = :name;

-- name: any
SELECT EXISTS (SELECT FROM forward_rule WHERE enabled);

-- name: unknown_devices
SELECT t.ae_title FROM unnest(:titles::text[]) AS t (ae_title)
WHERE NOT EXISTS (SELECT FROM device d WHERE d.ae_title = t.ae_title) ORDER BY 1;

-- name: note
INSERT INTO journal (at, who, why, action, target, before, after)
VALUES (:at, :who, '', 'rule', :target, NULL, :after);

-- name: take
-- Which of the objects did not go to the destination by rule before: they do now.
INSERT INTO forwarded (ae_title, instance_pk, rule, delivery_pk)
SELECT :ae_title, pk, :rule, NULL FROM unnest(:pks::bigint[]) AS o (pk) ORDER BY pk
ON CONFLICT DO NOTHING
RETURNING instance_pk;

-- name: placed
UPDATE forwarded SET delivery_pk = :delivery_pk WHERE ae_title = :ae_title AND instance_pk = ANY (:pks::bigint[]);

-- name: taken
SELECT ae_title, instance_pk FROM forwarded
WHERE instance_pk = ANY (:pks::bigint[]) AND ae_title = ANY (:titles::text[]);

-- name: last_studies
SELECT study_uid FROM study WHERE state = 'visible' ORDER BY pk DESC LIMIT :limit;
