-- name: file_patient
SELECT file_patient(:at, :record);

-- name: next_accession
SELECT nextval('accession_seq');

-- name: next_procedure
SELECT nextval('requested_procedure_seq');

-- name: next_step
SELECT nextval('scheduled_step_seq');

-- name: add_order
-- Nothing comes back when another order has the accession number.
INSERT INTO imaging_order (patient_pk, patient_id, patient_issuer, accession, accession_issuer, placer_number,
                           filler_number, admission_id, attributes, site_pk, department_pk, referring, created_at,
                           updated_at)
VALUES (:patient_pk, :patient_id, :patient_issuer, :accession, :accession_issuer, :placer_number, :filler_number,
        :admission_id, :attributes, :site_pk, :department_pk, :referring, :at, :at)
ON CONFLICT (accession, accession_issuer) DO NOTHING
RETURNING pk;

-- name: find_order
SELECT o.pk, o.patient_pk, o.accession, o.accession_issuer, o.state FROM imaging_order o
WHERE o.accession = :accession AND o.accession_issuer = :accession_issuer AND /*seen*/ true
FOR NO KEY UPDATE OF o;

-- name: step_seen
SELECT s.pk FROM scheduled_step s
JOIN requested_procedure r ON r.pk = s.procedure_pk
JOIN imaging_order o ON o.pk = s.order_pk
WHERE s.pk = :pk AND /*seen*/ true;

-- name: list_orders
-- Newest first, those before ``before``.
SELECT o.pk, o.accession, o.accession_issuer, o.patient_id, o.patient_issuer, o.state, o.placer_number,
       o.filler_number, o.version, o.created_at, o.updated_at
FROM imaging_order o
WHERE (:accession::text = '' OR o.accession = :accession) AND (:patient_id::text = '' OR o.patient_id = :patient_id)
  AND (:state::text = '' OR o.state = :state) AND (:issuer::text IS NULL OR o.accession_issuer = :issuer)
  AND (:before::bigint IS NULL OR o.pk < :before) AND /*seen*/ true
ORDER BY o.pk DESC LIMIT :limit;

-- name: touch_order
UPDATE imaging_order SET version = version + 1, updated_at = :at, state = coalesce(:state, state) WHERE pk = :pk;

-- name: add_procedure
INSERT INTO requested_procedure (order_pk, procedure_id, study_uid, attributes)
VALUES (:order_pk, :procedure_id, :study_uid, :attributes)
ON CONFLICT (order_pk, procedure_id) DO NOTHING
RETURNING pk;

-- name: add_step
INSERT INTO scheduled_step (procedure_pk, order_pk, step_id, stations, modality, start_date, start_time, status,
                            attributes, created_at, changed_at)
VALUES (:procedure_pk, :order_pk, :step_id, :stations, :modality, :start_date, :start_time, :status, :attributes,
        :at, :at)
ON CONFLICT (procedure_pk, step_id) DO NOTHING
RETURNING pk;

-- name: lock_steps
-- In one order everywhere, so that no two changes wait for each other in a circle.
SELECT s.pk, s.order_pk, s.step_id, s.status, s.stations, s.start_date, s.start_time, s.attributes, r.study_uid
FROM scheduled_step s JOIN requested_procedure r ON r.pk = s.procedure_pk
WHERE s.pk = ANY (:pks)
ORDER BY s.pk
FOR NO KEY UPDATE OF s;

-- name: steps_of_order
SELECT pk FROM scheduled_step WHERE order_pk = :order_pk ORDER BY pk;

-- name: set_status
UPDATE scheduled_step SET status = :status, version = version + 1, changed_at = :at WHERE pk = :pk;

-- name: set_schedule
UPDATE scheduled_step
SET status = :status, stations = :stations, start_date = :start_date, start_time = :start_time,
    attributes = :attributes, version = version + 1, changed_at = :at
WHERE pk = :pk;

-- name: add_journal
INSERT INTO journal (at, who, why, action, target, before, after)
VALUES (:at, :who, :why, :action, :target, :before, :after);
