-- name: rights_version
SELECT version FROM rights_version;

-- name: rights_changed
UPDATE rights_version SET version = version + 1;

-- name: roles
SELECT name, actions, scopes, help, changed_at FROM role ORDER BY name;

-- name: put_role
INSERT INTO role (name, actions, scopes, help, changed_at) VALUES (:name, :actions, :scopes, :help, :now)
ON CONFLICT (name) DO UPDATE SET actions = excluded.actions, scopes = excluded.scopes, help = excluded.help,
    changed_at = excluded.changed_at
RETURNING name;

-- name: delete_role
DELETE FROM role WHERE name = :name RETURNING name;

-- name: role_in_use
SELECT EXISTS (SELECT 1 FROM role_grant WHERE role = :name)
    OR EXISTS (SELECT 1 FROM account WHERE :name = ANY (roles));

-- name: grants
SELECT pk, principal, role, scope, changed_at FROM role_grant
WHERE :principal::text IS NULL OR principal = :principal ORDER BY principal, role;

-- name: put_grant
INSERT INTO role_grant (principal, role, scope, changed_at) VALUES (:principal, :role, :scope, :now)
ON CONFLICT (principal, role) DO UPDATE SET scope = excluded.scope, changed_at = excluded.changed_at
RETURNING pk;

-- name: delete_grant
DELETE FROM role_grant WHERE principal = :principal AND role = :role RETURNING pk;

-- name: referring_names
SELECT principal, name FROM referring_name WHERE :principal::text IS NULL OR principal = :principal ORDER BY 1, 2;

-- name: forget_referring_names
DELETE FROM referring_name WHERE principal = :principal;

-- name: put_referring_names
INSERT INTO referring_name (principal, name) SELECT :principal, n FROM unnest(:names::text[]) AS n
ON CONFLICT DO NOTHING;

-- name: any_protected
SELECT EXISTS (SELECT 1 FROM protected_patient);

-- name: put_list
INSERT INTO patient_list (name) VALUES (:name) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING pk;

-- name: clear_list
DELETE FROM patient_list_member WHERE list_pk = :pk;

-- name: put_members
INSERT INTO patient_list_member (list_pk, patient_pk)
SELECT :pk, i.patient_pk FROM patient_identifier AS i
JOIN unnest(:values::text[], :issuers::text[]) AS w (value, issuer) ON w.value = i.value AND w.issuer = i.issuer
ON CONFLICT DO NOTHING;

-- name: lists
SELECT l.name, count(m.patient_pk)::int AS patients
FROM patient_list AS l LEFT JOIN patient_list_member AS m ON m.list_pk = l.pk GROUP BY l.pk ORDER BY l.name;

-- name: delete_list
DELETE FROM patient_list WHERE name = :name RETURNING pk;

-- name: assign
INSERT INTO study_assignee (study_pk, principal)
SELECT pk, :principal FROM study WHERE study_uid = :study AND state = 'visible'
ON CONFLICT (study_pk, principal) DO UPDATE SET principal = excluded.principal RETURNING study_pk;

-- name: unassign
DELETE FROM study_assignee AS a USING study AS s
WHERE s.pk = a.study_pk AND s.study_uid = :study AND a.principal = :principal RETURNING s.pk;

-- name: set_sensitivity
UPDATE study SET sensitivity = :sensitivity WHERE study_uid = :study AND state = 'visible' RETURNING pk;

-- name: patient_by_id
SELECT patient_pk FROM patient_identifier WHERE value = :patient_id AND value <> '' AND issuer = :issuer;

-- name: patients_by_id
SELECT DISTINCT patient_pk FROM patient_identifier
WHERE value = :patient_id AND value <> '' AND (:issuer::text IS NULL OR issuer = :issuer);

-- name: patient_of_study
SELECT patient_pk FROM study
WHERE state = 'visible' AND ((:study <> '' AND study_uid = :study) OR (:accession <> '' AND accession = :accession))
ORDER BY pk DESC LIMIT 1;

-- name: protect
INSERT INTO protected_patient (patient_pk, kind, why, by, at) VALUES (:pk, :kind, :why, :by, :now)
ON CONFLICT (patient_pk) DO UPDATE SET kind = excluded.kind, why = excluded.why, by = excluded.by, at = excluded.at;

-- name: unprotect
DELETE FROM protected_patient WHERE patient_pk = :pk RETURNING kind;

-- name: protected_patients
SELECT q.patient_pk, q.kind, q.why, q.by, q.at, i.value AS patient_id, i.issuer
FROM protected_patient AS q
LEFT JOIN LATERAL (
    SELECT value, issuer FROM patient_identifier WHERE patient_pk = q.patient_pk AND value <> ''
    ORDER BY is_primary DESC, pk LIMIT 1
) AS i ON true
ORDER BY q.at DESC;

-- name: break_glass
INSERT INTO broken_glass (principal, name, patient_pk, reason, at, expires_at)
VALUES (:principal, :name, :patient_pk, :reason, :now, :expires_at) RETURNING pk;

-- name: broken_glass
SELECT b.pk, b.principal, b.name, b.reason, b.at, b.expires_at, b.ended_by, i.value AS patient_id, i.issuer
FROM broken_glass AS b
LEFT JOIN LATERAL (
    SELECT value, issuer FROM patient_identifier WHERE patient_pk = b.patient_pk AND value <> ''
    ORDER BY is_primary DESC, pk LIMIT 1
) AS i ON true
WHERE :principal::text IS NULL OR b.principal = :principal
ORDER BY b.pk DESC LIMIT 500;

-- name: mend_glass
UPDATE broken_glass SET ended_by = :by
WHERE pk = :pk AND ended_by = '' AND expires_at > :now AND (:principal::text IS NULL OR principal = :principal)
RETURNING patient_pk;
