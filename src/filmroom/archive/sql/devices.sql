-- name: find_device
SELECT d.pk, d.ae_title, d.host, d.port, d.description, d.enabled, d.policy, d.version, d.changed_at,
       COALESCE(s.name, '') AS site, COALESCE(p.name, '') AS department
FROM device AS d
LEFT JOIN site AS s ON s.pk = d.site_pk
LEFT JOIN department AS p ON p.pk = d.department_pk
WHERE d.ae_title = :ae_title;

-- name: list_devices
SELECT d.pk, d.ae_title, d.host, d.port, d.description, d.enabled, d.policy, d.version, d.changed_at,
       COALESCE(s.name, '') AS site, COALESCE(p.name, '') AS department
FROM device AS d
LEFT JOIN site AS s ON s.pk = d.site_pk
LEFT JOIN department AS p ON p.pk = d.department_pk
ORDER BY d.ae_title;

-- name: lock_devices
-- One change at a time, so that what came before is really what the journal says; readers do not wait.
SELECT pg_advisory_xact_lock(hashtext('filmroom.device'), hashtext(current_schema() || :ae_title));

-- name: site
INSERT INTO site (name) VALUES (:name) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING pk;

-- name: department
INSERT INTO department (site_pk, name) VALUES (:site_pk, :name)
ON CONFLICT (site_pk, name) DO UPDATE SET name = excluded.name RETURNING pk;

-- name: put_device
-- Register a device, or change the one with this AE title.
INSERT INTO device (ae_title, host, port, description, enabled, policy, site_pk, department_pk)
VALUES (:ae_title, :host, :port, :description, :enabled, :policy, :site_pk, :department_pk)
ON CONFLICT (ae_title) DO UPDATE
SET host = excluded.host, port = excluded.port, description = excluded.description, enabled = excluded.enabled,
    policy = excluded.policy, site_pk = excluded.site_pk, department_pk = excluded.department_pk,
    version = device.version + 1, changed_at = now();

-- name: remove_device
DELETE FROM device WHERE ae_title = :ae_title;

-- name: note_change
INSERT INTO journal (at, who, action, target, before, after)
VALUES (now(), :who, :action, :target, :before, :after);

-- name: changes
SELECT pk, at, who, action, before, after FROM journal WHERE target = :target ORDER BY pk DESC LIMIT :most;
