-- name: held
-- What a person has: by the account, by grants, and what roles of this archive mean.
SELECT coalesce((SELECT roles FROM account WHERE 'person:' || pk = :principal), '{}') AS roles,
       ARRAY(SELECT role FROM role_grant WHERE principal = :principal) AS granted,
       coalesce((SELECT jsonb_agg(jsonb_build_object('name', name, 'actions', actions)) FROM role), '[]') AS own;

-- name: holders
SELECT principal FROM role_grant WHERE role = :role AND principal LIKE 'person:%';

-- name: keeps
-- Whether this mode was told to the database already.
UPDATE rights_version SET separate = :separate WHERE separate <> :separate;
