-- name: local_aes
SELECT pk, ae_title, description, enabled, policy, version, changed_at FROM local_ae ORDER BY ae_title;

-- name: local_ae
SELECT pk, ae_title, description, enabled, policy, version, changed_at FROM local_ae WHERE ae_title = :ae_title;

-- name: lock_local_ae
SELECT pg_advisory_xact_lock(hashtext('filmroom.local_ae'), hashtext(current_schema() || :ae_title));

-- name: put_local_ae
INSERT INTO local_ae (ae_title, description, enabled, policy) VALUES (:ae_title, :description, :enabled, :policy)
ON CONFLICT (ae_title) DO UPDATE
SET description = excluded.description, enabled = excluded.enabled, policy = excluded.policy,
    version = local_ae.version + 1, changed_at = now();

-- name: remove_local_ae
DELETE FROM local_ae WHERE ae_title = :ae_title;
