-- Filing a batch of objects: one call, one transaction, rows locked in one order everywhere so that no two batches of
-- any process can wait for each other in a circle: studies by UID, patients by identifier, instances by UID, feed.

-- Append facts that happened at ``p_at``; the number of the first. The lock is held to the commit.
CREATE FUNCTION feed_append(p_at timestamptz, p_kind text[], p_body jsonb[]) RETURNS bigint
LANGUAGE sql AS $$
    WITH head AS (UPDATE feed_head SET seq = seq + cardinality(p_kind) RETURNING seq - cardinality(p_kind) AS before),
         appended AS (INSERT INTO fact (seq, at, kind, body)
                      SELECT head.before + f.n, p_at, f.kind, f.body
                      FROM head, unnest(p_kind, p_body) WITH ORDINALITY AS f (kind, body, n))
    SELECT before + 1 FROM head
$$;

-- The patient that this record (dicom.attributes.PatientKeys as JSON) means, made when there is none yet.
CREATE FUNCTION file_patient(p_at timestamptz, p jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_pk bigint;
BEGIN
    SELECT patient_pk INTO v_pk FROM patient_identifier
    WHERE value = p ->> 'patient_id' AND issuer = p ->> 'issuer';
    IF FOUND THEN
        RETURN v_pk;
    END IF;
    -- The identifier goes first: its uniqueness is what two senders of one new patient race for.
    INSERT INTO patient_identifier (patient_pk, value, issuer, qualifiers)
    VALUES (nextval(pg_get_serial_sequence('patient', 'pk')), p ->> 'patient_id', p ->> 'issuer', p -> 'qualifiers')
    ON CONFLICT (value, issuer) DO NOTHING
    RETURNING patient_pk INTO v_pk;
    IF NOT FOUND THEN
        SELECT patient_pk INTO STRICT v_pk FROM patient_identifier
        WHERE value = p ->> 'patient_id' AND issuer = p ->> 'issuer';
        RETURN v_pk;
    END IF;
    INSERT INTO patient (pk, name_alphabetic, name_ideographic, name_phonetic, name_terms, name_sort, birth_date, sex,
                         attributes, created_at, updated_at)
    OVERRIDING SYSTEM VALUE
    SELECT v_pk, r.name_alphabetic, r.name_ideographic, r.name_phonetic, r.name_terms, r.name_sort, r.birth_date, r.sex,
           r.attributes, p_at, p_at
    FROM jsonb_to_record(p) AS r (name_alphabetic text, name_ideographic text, name_phonetic text, name_terms text[],
                                  name_sort text, birth_date text, sex text, attributes jsonb);
    RETURN v_pk;
END $$;

-- Lock the studies of a batch and find or make its series. ``p_fresh`` holds a record per series that the caller does
-- not know, null for one that it does. The keys come back by place; null means that the study or series takes no
-- objects now.
CREATE FUNCTION file_series(p_at timestamptz, p_study_uid text[], p_series_uid text[], p_fresh jsonb,
                            OUT study_pks bigint[], OUT series_pks bigint[], OUT made boolean[])
LANGUAGE plpgsql AS $$
DECLARE
    v_uid text;
    v_new bigint[] := '{}';
    v_study study%ROWTYPE;
    v_pk bigint;
    v_patient bigint;
    v_state text;
    v_record jsonb;
    v_place int;
BEGIN
    FOR v_uid IN SELECT DISTINCT u COLLATE "C" FROM unnest(p_study_uid) AS u ORDER BY 1 LOOP
        PERFORM 1 FROM study WHERE study_uid = v_uid FOR NO KEY UPDATE;
        CONTINUE WHEN FOUND;
        SELECT p_fresh -> (n - 1)::int INTO v_record
        FROM unnest(p_study_uid) WITH ORDINALITY AS u (uid, n)
        WHERE uid = v_uid AND jsonb_typeof(p_fresh -> (n - 1)::int) = 'object' LIMIT 1;
        IF v_record IS NULL THEN
            RAISE EXCEPTION 'a study that was known is gone' USING ERRCODE = 'FR001';
        END IF;
        INSERT INTO study (study_uid, patient_pk, acquired_patient_pk, study_date, study_time, accession,
                           accession_issuer, study_id, description, referring, attributes, received_first,
                           received_last, version)
        SELECT v_uid, 0, 0, r.study_date, r.study_time, r.accession, r.accession_issuer, r.study_id, r.description,
               r.referring, r.attributes, p_at, p_at, 0
        FROM jsonb_to_record(v_record -> 'study') AS r (study_date text, study_time text, accession text,
             accession_issuer text, study_id text, description text, referring text, attributes jsonb)
        ON CONFLICT (study_uid) DO NOTHING
        RETURNING pk INTO v_pk;
        IF FOUND THEN
            v_new := v_new || v_pk;
        ELSE
            PERFORM 1 FROM study WHERE study_uid = v_uid FOR NO KEY UPDATE;
        END IF;
    END LOOP;
    -- Only a new study needs a patient: one that is there keeps its own.
    FOR v_pk, v_record IN
        SELECT n.pk, n.patient
        FROM (SELECT DISTINCT ON (s.pk) s.pk, p_fresh -> (u.n - 1)::int -> 'patient' AS patient
              FROM unnest(p_study_uid) WITH ORDINALITY AS u (uid, n)
              JOIN study s ON s.study_uid = u.uid AND s.pk = ANY (v_new)
              WHERE jsonb_typeof(p_fresh -> (u.n - 1)::int) = 'object'
              ORDER BY s.pk, u.n) AS n
        ORDER BY n.patient ->> 'patient_id' COLLATE "C", n.patient ->> 'issuer' COLLATE "C"
    LOOP
        v_patient := file_patient(p_at, v_record);
        UPDATE study SET patient_pk = v_patient, acquired_patient_pk = v_patient WHERE pk = v_pk;
    END LOOP;
    FOR v_place IN 1 .. cardinality(p_study_uid) LOOP
        SELECT * INTO STRICT v_study FROM study WHERE study_uid = p_study_uid[v_place];
        study_pks[v_place] := NULL;
        series_pks[v_place] := NULL;
        made[v_place] := false;
        CONTINUE WHEN v_study.state <> 'visible';
        SELECT pk, state INTO v_pk, v_state FROM series
        WHERE study_pk = v_study.pk AND series_uid = p_series_uid[v_place];
        IF NOT FOUND THEN
            v_record := p_fresh -> (v_place - 1) -> 'series';
            IF v_record IS NULL THEN
                RAISE EXCEPTION 'a series that was known is gone' USING ERRCODE = 'FR001';
            END IF;
            INSERT INTO series (series_uid, study_pk, modality, series_number, description, body_part, station_name,
                                institution, pps_date, pps_time, attributes, received_last, version)
            SELECT p_series_uid[v_place], v_study.pk, r.modality, r.series_number, r.description, r.body_part,
                   r.station_name, r.institution, r.pps_date, r.pps_time, r.attributes, p_at, 0
            FROM jsonb_to_record(v_record) AS r (modality text, series_number int, description text, body_part text,
                 station_name text, institution text, pps_date text, pps_time text, attributes jsonb)
            RETURNING pk, state INTO v_pk, v_state;
            made[v_place] := true;
            UPDATE study SET n_series = n_series + 1,
                             modalities = ARRAY (SELECT DISTINCT m FROM unnest(modalities || (v_record ->> 'modality'))
                                                 AS m WHERE m <> '' ORDER BY m)
            WHERE pk = v_study.pk;
        END IF;
        IF v_state = 'visible' THEN
            study_pks[v_place] := v_study.pk;
            series_pks[v_place] := v_pk;
        END IF;
    END LOOP;
END $$;

-- File a batch. Series by place: UIDs, and the keys where the caller knows them (p_fresh null: all of them). Objects:
-- ``p_slot`` is the place of their series. What comes back: for p_fresh the keys of every place (kind 'series', or
-- 'new-series' when it was made), and each object that is not new (kind 'already', 'conflict' or 'refused').
-- SQLSTATE FR001: a key that the caller knew is not good any more; call again with full records.
CREATE FUNCTION file_objects(
    p_at timestamptz, p_store text,
    p_study_uid text[], p_series_uid text[], p_study_pk bigint[], p_series_pk bigint[], p_fresh jsonb,
    p_slot int[], p_sop_uid text[], p_sop_class text[], p_transfer_syntax text[], p_instance_number int[],
    p_rows int[], p_columns int[], p_bits_allocated int[], p_frames int[], p_content_date text[],
    p_content_time text[], p_attributes jsonb[], p_dataset_offset int[], p_header_bytes bigint[],
    p_size_bytes bigint[], p_digest bytea[], p_source text[], p_key text[], p_start bigint[], p_blob_digest bytea[])
RETURNS TABLE (kind text, place int, study bigint, series bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    v_study bigint[] := p_study_pk;
    v_series bigint[] := p_series_pk;
    v_made boolean[];
    v_stored int;
    v_good boolean;
BEGIN
    IF p_fresh IS NULL THEN
        PERFORM 1 FROM study WHERE pk = ANY (p_study_pk) ORDER BY study_uid FOR NO KEY UPDATE;
    ELSE
        SELECT f.study_pks, f.series_pks, f.made INTO v_study, v_series, v_made
        FROM file_series(p_at, p_study_uid, p_series_uid, p_fresh) AS f;
        RETURN QUERY SELECT CASE WHEN a.made THEN 'new-series' ELSE 'series' END, a.n::int, a.study, a.series
                     FROM unnest(v_study, v_series, v_made) WITH ORDINALITY AS a (study, series, made, n);
    END IF;

    -- One statement, because a statement costs more than its rows. ``grouped`` is complete before a counter changes,
    -- and the feed's row comes last.
    WITH stored AS (
        INSERT INTO instance (sop_uid, series_pk, study_pk, sop_class, transfer_syntax, instance_number, rows, columns,
                              bits_allocated, frames, content_date, content_time, attributes, dataset_offset,
                              header_bytes, size_bytes, digest, source, received_at)
        SELECT i.sop_uid, v_series[i.slot], v_study[i.slot], i.sop_class, i.transfer_syntax, i.instance_number, i.rows,
               i.columns, i.bits_allocated, i.frames, i.content_date, i.content_time, i.attributes, i.dataset_offset,
               i.header_bytes, i.size_bytes, i.digest, i.source, p_at
        FROM unnest(p_slot, p_sop_uid, p_sop_class, p_transfer_syntax, p_instance_number, p_rows, p_columns,
                    p_bits_allocated, p_frames, p_content_date, p_content_time, p_attributes, p_dataset_offset,
                    p_header_bytes, p_size_bytes, p_digest, p_source)
             AS i (slot, sop_uid, sop_class, transfer_syntax, instance_number, rows, columns, bits_allocated, frames,
                   content_date, content_time, attributes, dataset_offset, header_bytes, size_bytes, digest, source)
        WHERE v_series[i.slot] IS NOT NULL
        ORDER BY i.sop_uid COLLATE "C"
        ON CONFLICT (sop_uid) DO NOTHING
        RETURNING pk, sop_uid
    ), new AS (
        SELECT s.pk, o.* FROM stored s
        JOIN unnest(p_slot, p_sop_uid, p_sop_class, p_source, p_key, p_start, p_size_bytes, p_blob_digest)
             AS o (slot, sop_uid, sop_class, source, key, start, size_bytes, digest) ON o.sop_uid = s.sop_uid
    ), placed AS (
        INSERT INTO location (instance_pk, store, key, start, size_bytes, digest)
        SELECT pk, p_store, key, start, size_bytes, digest FROM new
    ), grouped AS (
        SELECT slot, source, sop_class, count(*)::int AS n, sum(size_bytes)::bigint AS bytes,
               jsonb_agg(sop_uid ORDER BY pk) AS uids
        FROM new GROUP BY slot, source, sop_class
    ), counted_series AS (
        UPDATE series s
        SET n_instances = s.n_instances + g.n, size_bytes = s.size_bytes + g.bytes, version = s.version + 1,
            received_last = greatest(s.received_last, p_at),
            sop_classes = CASE WHEN s.sop_classes @> g.classes THEN s.sop_classes
                               ELSE ARRAY (SELECT DISTINCT c FROM unnest(s.sop_classes || g.classes) AS c ORDER BY c) END
        FROM (SELECT v_series[slot] AS pk, v_study[slot] AS study_pk, sum(n) AS n, sum(bytes) AS bytes,
                     array_agg(DISTINCT sop_class) AS classes
              FROM grouped GROUP BY 1, 2) AS g
        WHERE s.pk = g.pk AND s.study_pk = g.study_pk AND s.state = 'visible'
        RETURNING s.pk
    ), counted_study AS (
        UPDATE study s
        SET n_instances = s.n_instances + g.n, size_bytes = s.size_bytes + g.bytes, version = s.version + 1,
            received_last = greatest(s.received_last, p_at),
            sop_classes = CASE WHEN s.sop_classes @> g.classes THEN s.sop_classes
                               ELSE ARRAY (SELECT DISTINCT c FROM unnest(s.sop_classes || g.classes) AS c ORDER BY c) END
        FROM (SELECT v_study[slot] AS pk, sum(n) AS n, sum(bytes) AS bytes, array_agg(DISTINCT sop_class) AS classes
              FROM grouped GROUP BY 1) AS g
        WHERE s.pk = g.pk AND s.state = 'visible'
        RETURNING s.pk
    ), settling AS (
        INSERT INTO study_settling (study_pk) SELECT pk FROM counted_study ON CONFLICT DO NOTHING
    ), facts AS (
        SELECT row_number() OVER () AS n, jsonb_build_object('study_uid', p_study_uid[slot], 'series_uid',
               p_series_uid[slot], 'sop_uids', uids, 'source', source) AS body
        FROM grouped
    ), head AS (
        UPDATE feed_head SET seq = seq + f.n FROM (SELECT count(*) AS n FROM facts) AS f WHERE f.n > 0
        RETURNING seq - f.n AS before
    ), appended AS (
        INSERT INTO fact (seq, at, kind, body)
        SELECT head.before + facts.n, p_at, 'InstancesStored', facts.body FROM head, facts
    )
    SELECT (SELECT coalesce(sum(n), 0)::int FROM grouped),
           (SELECT count(DISTINCT v_series[slot]) FROM grouped) = (SELECT count(*) FROM counted_series)
           AND (SELECT count(DISTINCT v_study[slot]) FROM grouped) = (SELECT count(*) FROM counted_study)
    INTO v_stored, v_good;

    IF NOT v_good THEN
        RAISE EXCEPTION 'a series that was known is gone' USING ERRCODE = 'FR001';
    END IF;
    IF v_stored < cardinality(p_slot) THEN
        -- A statement of its own sees what another batch, for which an insertion waited, has committed.
        RETURN QUERY
        SELECT CASE WHEN v_series[o.slot] IS NULL OR e.state <> 'visible' THEN 'refused'
                    WHEN e.digest = o.digest THEN 'already'
                    ELSE 'conflict' END, o.n::int, NULL::bigint, NULL::bigint
        FROM unnest(p_slot, p_sop_uid, p_digest, p_key, p_start)
             WITH ORDINALITY AS o (slot, sop_uid, digest, key, start, n)
        LEFT JOIN instance e ON e.sop_uid = o.sop_uid
        LEFT JOIN location l ON l.instance_pk = e.pk AND l.store = p_store
        WHERE v_series[o.slot] IS NULL OR (l.key, l.start) IS DISTINCT FROM (o.key, o.start);
    END IF;
END $$;

-- File objects that are new, as far as the caller knows, into series whose keys it knows: what nearly every batch is.
-- Each statement is small; together they cost half of file_objects (0.3 to 0.5 ms of CPU for one object, 0.45 to 0.85
-- for four). Groups by place, sorted by study UID: series, source and SOP class are one in each; ``p_fact`` is the body
-- of its fact. Objects are sorted by UID; ``p_slot`` is the place of their group. SQLSTATE FR001: a series is gone or
-- takes nothing; 23505: an object is here already. Either way nothing is written, and file_objects is to be called.
CREATE FUNCTION file_known(
    p_at timestamptz, p_store text,
    p_study_pk bigint[], p_series_pk bigint[], p_class_of text[], p_count int[], p_bytes bigint[], p_fact jsonb[],
    p_slot int[], p_sop_uid text[], p_sop_class text[], p_transfer_syntax text[], p_instance_number int[],
    p_rows int[], p_columns int[], p_bits_allocated int[], p_frames int[], p_content_date text[],
    p_content_time text[], p_attributes jsonb[], p_dataset_offset int[], p_header_bytes bigint[],
    p_size_bytes bigint[], p_digest bytea[], p_source text[], p_key text[], p_start bigint[], p_blob_digest bytea[])
RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    v_before bigint;
BEGIN
    FOR i IN 1 .. cardinality(p_study_pk) LOOP
        UPDATE study
        SET n_instances = n_instances + p_count[i], size_bytes = size_bytes + p_bytes[i], version = version + 1,
            received_last = greatest(received_last, p_at),
            sop_classes = CASE WHEN p_class_of[i] = ANY (sop_classes) THEN sop_classes
                               ELSE ARRAY (SELECT c FROM unnest(sop_classes || p_class_of[i]) AS c ORDER BY c) END
        WHERE pk = p_study_pk[i] AND state = 'visible';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a study that was known is gone' USING ERRCODE = 'FR001';
        END IF;
        UPDATE series
        SET n_instances = n_instances + p_count[i], size_bytes = size_bytes + p_bytes[i], version = version + 1,
            received_last = greatest(received_last, p_at),
            sop_classes = CASE WHEN p_class_of[i] = ANY (sop_classes) THEN sop_classes
                               ELSE ARRAY (SELECT c FROM unnest(sop_classes || p_class_of[i]) AS c ORDER BY c) END
        WHERE pk = p_series_pk[i] AND study_pk = p_study_pk[i] AND state = 'visible';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a series that was known is gone' USING ERRCODE = 'FR001';
        END IF;
        INSERT INTO study_settling (study_pk) VALUES (p_study_pk[i]) ON CONFLICT DO NOTHING;
    END LOOP;

    WITH stored AS (
        INSERT INTO instance (sop_uid, series_pk, study_pk, sop_class, transfer_syntax, instance_number, rows, columns,
                              bits_allocated, frames, content_date, content_time, attributes, dataset_offset,
                              header_bytes, size_bytes, digest, source, received_at)
        SELECT i.sop_uid, p_series_pk[i.slot], p_study_pk[i.slot], i.sop_class, i.transfer_syntax, i.instance_number,
               i.rows, i.columns, i.bits_allocated, i.frames, i.content_date, i.content_time, i.attributes,
               i.dataset_offset, i.header_bytes, i.size_bytes, i.digest, i.source, p_at
        FROM unnest(p_slot, p_sop_uid, p_sop_class, p_transfer_syntax, p_instance_number, p_rows, p_columns,
                    p_bits_allocated, p_frames, p_content_date, p_content_time, p_attributes, p_dataset_offset,
                    p_header_bytes, p_size_bytes, p_digest, p_source)
             AS i (slot, sop_uid, sop_class, transfer_syntax, instance_number, rows, columns, bits_allocated, frames,
                   content_date, content_time, attributes, dataset_offset, header_bytes, size_bytes, digest, source)
        RETURNING pk, sop_uid
    )
    INSERT INTO location (instance_pk, store, key, start, size_bytes, digest)
    SELECT s.pk, p_store, o.key, o.start, o.size_bytes, o.digest
    FROM stored s
    JOIN unnest(p_sop_uid, p_key, p_start, p_size_bytes, p_blob_digest) AS o (sop_uid, key, start, size_bytes, digest)
         ON o.sop_uid = s.sop_uid;

    UPDATE feed_head SET seq = seq + cardinality(p_fact) RETURNING seq - cardinality(p_fact) INTO v_before;
    FOR i IN 1 .. cardinality(p_fact) LOOP
        INSERT INTO fact (seq, at, kind, body) VALUES (v_before + i, p_at, 'InstancesStored', p_fact[i]);
    END LOOP;
END $$;
