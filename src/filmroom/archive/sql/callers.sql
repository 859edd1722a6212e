-- name: note_callers
-- Count what came; a new row only where its address has not filled its share.
INSERT INTO caller (calling_ae, called_ae, address, reason, detail, implementation_class, implementation_version,
                    proposal, services, attempts, first_seen, last_seen)
SELECT r.calling_ae, r.called_ae, r.address, r.reason, r.detail, r.implementation_class, r.implementation_version,
       r.proposal, ARRAY(SELECT jsonb_array_elements_text(r.services)), r.attempts, r.first_seen, r.last_seen
FROM jsonb_to_recordset(:seen::jsonb) AS r(
    calling_ae text, called_ae text, address text, reason text, detail text, implementation_class text,
    implementation_version text, proposal jsonb, services jsonb, attempts bigint, first_seen timestamptz,
    last_seen timestamptz, place int)
WHERE r.place <= :per_address - (SELECT count(*) FROM caller AS c WHERE c.address = r.address)
   OR EXISTS (SELECT FROM caller AS c WHERE c.calling_ae = r.calling_ae AND c.called_ae = r.called_ae
              AND c.address = r.address AND c.reason = r.reason)
ON CONFLICT (calling_ae, called_ae, address, reason) DO UPDATE
SET attempts = caller.attempts + excluded.attempts, last_seen = excluded.last_seen, detail = excluded.detail,
    implementation_class = excluded.implementation_class, implementation_version = excluded.implementation_version,
    proposal = excluded.proposal, services = excluded.services;

-- name: trim_callers
-- Those seen longest ago go first, dismissed ones before pending ones.
DELETE FROM caller WHERE pk IN (
    SELECT pk FROM caller ORDER BY state = 'dismissed', last_seen DESC OFFSET :most
);

-- name: list_callers
SELECT * FROM caller WHERE state = :state ORDER BY last_seen DESC, pk DESC LIMIT :most;

-- name: caller
SELECT * FROM caller WHERE pk = :pk;

-- name: dismiss_caller
UPDATE caller SET state = 'dismissed', decided_by = :who, decided_at = now() WHERE pk = :pk;

-- name: settle_caller
-- Whatever else the same caller was turned away for and the approval has mended as well.
DELETE FROM caller WHERE pk = :pk OR (calling_ae = :calling_ae AND address = :address AND reason = :reason);
