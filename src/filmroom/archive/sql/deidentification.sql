-- name: add
INSERT INTO deidentification_project (name, key, prefix, options, templates, created_by, created_at)
VALUES (:name, :key, :prefix, :options, :templates, :by, :at)
ON CONFLICT (name) DO NOTHING
RETURNING pk;

-- name: list
SELECT pk, name, prefix, options, templates, created_by, created_at FROM deidentification_project ORDER BY name;

-- name: by_name
SELECT pk, name, prefix, options, templates, created_by, created_at FROM deidentification_project WHERE name = :name;

-- name: secret
SELECT key, prefix, options, templates FROM deidentification_project WHERE pk = :pk;
