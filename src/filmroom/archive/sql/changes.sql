-- name: states_of_instances
SELECT sop_uid, state FROM instance WHERE sop_uid = ANY (:sop_uids);

-- name: states_of_studies
SELECT study_uid, state, version FROM study WHERE study_uid = ANY (:study_uids);
