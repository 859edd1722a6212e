-- name: find_device
SELECT pk, ae_title, host, port, description, enabled, policy FROM device WHERE ae_title = :ae_title;

-- name: list_devices
SELECT pk, ae_title, host, port, description, enabled, policy FROM device ORDER BY ae_title;

-- name: put_device
-- Register a device, or change the one with this AE title.
INSERT INTO device (ae_title, host, port, description, enabled, policy)
VALUES (:ae_title, :host, :port, :description, :enabled, COALESCE(:policy::jsonb, '{}'))
ON CONFLICT (ae_title) DO UPDATE
SET host = excluded.host, port = excluded.port, description = excluded.description,
    enabled = excluded.enabled, policy = COALESCE(:policy::jsonb, device.policy)
RETURNING pk, ae_title, host, port, description, enabled, policy;

-- name: remove_device
DELETE FROM device WHERE ae_title = :ae_title;
