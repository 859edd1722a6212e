-- name: file_objects
-- Rows of a batch, one transaction; see db/migrations/0002_filing.sql for what comes back.
SELECT kind, place, study, series
FROM file_objects(:at, :store, :study_uid, :series_uid, :study_pk, :series_pk, :fresh,
                  :slot, :sop_uid, :sop_class, :transfer_syntax, :instance_number, :rows, :columns, :bits_allocated,
                  :frames, :content_date, :content_time, :attributes, :dataset_offset, :header_bytes, :size_bytes,
                  :digest, :source, :key, :start, :blob_digest);

-- name: file_known
-- The same for new objects of series that are known.
SELECT file_known(:at, :store, :study_pk, :series_pk, :class_of, :count, :total_bytes, :fact,
                  :slot, :sop_uid, :sop_class, :transfer_syntax, :instance_number, :rows, :columns, :bits_allocated,
                  :frames, :content_date, :content_time, :attributes, :dataset_offset, :header_bytes, :size_bytes,
                  :digest, :source, :key, :start, :blob_digest);

-- name: stored_objects
-- What is known of these objects, and where they are in this store.
SELECT i.sop_uid, i.pk, i.digest, i.state, l.store, l.key, l.start, l.size_bytes, c.received_digest, c.made_digest
FROM instance i LEFT JOIN location l ON l.instance_pk = i.pk AND l.store = :store
LEFT JOIN compression c ON c.instance_pk = i.pk
WHERE i.sop_uid = ANY (:sop_uids) ORDER BY i.copy DESC;

-- name: replace_location
-- An object whose bytes were lost has come again.
INSERT INTO location (instance_pk, store, key, start, size_bytes, digest)
VALUES (:instance_pk, :store, :key, :start, :size_bytes, :digest)
ON CONFLICT (instance_pk, store) DO UPDATE
SET key = excluded.key, start = excluded.start, size_bytes = excluded.size_bytes, digest = excluded.digest,
    state = 'good';

-- name: replace_instance_bytes
-- The new copy's own file header may differ in length.
UPDATE instance SET dataset_offset = :dataset_offset, size_bytes = :size_bytes WHERE pk = :instance_pk;

-- name: any_location
SELECT EXISTS (SELECT FROM location WHERE store = :store);
