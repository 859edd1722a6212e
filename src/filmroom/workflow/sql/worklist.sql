-- name: add_query
WITH made AS (
    INSERT INTO worklist_query (at, calling_ae, identifier, fuzzy, matches, status, took_ms)
    VALUES (:at, :calling_ae, :identifier, :fuzzy, :matches, :status, :took_ms)
    RETURNING pk
)
DELETE FROM worklist_query q USING made WHERE q.pk <= made.pk - :keep::bigint;

-- name: queries
SELECT pk, at, calling_ae, identifier, fuzzy, matches, status, took_ms FROM worklist_query
WHERE :calling_ae::text = '' OR calling_ae = :calling_ae
ORDER BY pk DESC LIMIT :limit;

-- name: query
SELECT pk, at, calling_ae, identifier, fuzzy, matches, status, took_ms FROM worklist_query WHERE pk = :pk;
