-- name: deriving
-- Devices whose images stand for the performed procedure steps that they never send.
SELECT ae_title FROM device WHERE enabled AND (policy ->> 'mpps_from_images')::boolean;

-- name: of_study
-- The performed steps that a device has for a study, the latest first.
SELECT sop_uid, status, attributes FROM performed_step
WHERE source = :source AND :study_uid::text = ANY (study_uids) ORDER BY pk DESC;

-- name: open_of_study
SELECT sop_uid, source FROM performed_step
WHERE :study_uid::text = ANY (study_uids) AND status = 'IN PROGRESS' AND source = ANY (:sources::text[]) ORDER BY pk;

-- name: known
-- What the images say of a study and its patient.
SELECT s.study_uid, s.study_id, s.accession, p.attributes AS patient,
       (SELECT min(e.modality) FROM series AS e WHERE e.study_pk = s.pk AND e.series_uid = :series_uid) AS modality
FROM study AS s JOIN patient AS p ON p.pk = s.patient_pk
WHERE s.study_uid = :study_uid;

-- name: made
-- The objects of a study that a device made, by series.
SELECT e.series_uid, e.attributes, i.sop_uid, i.sop_class
FROM study AS s JOIN series AS e ON e.study_pk = s.pk JOIN instance AS i ON i.series_pk = e.pk
WHERE s.study_uid = :study_uid AND i.source = :source AND i.state = 'visible'
ORDER BY e.series_number, e.pk, i.instance_number, i.pk;
