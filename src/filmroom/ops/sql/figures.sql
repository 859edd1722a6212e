-- name: figures
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS bytes,
       (SELECT count(*) FROM quarantine WHERE state = 'waiting') AS quarantined;

-- name: estimates
-- Rows as autovacuum last counted them, and what came and went since.
SELECT c.relname AS name,
       greatest(coalesce(s.n_live_tup, 0), CASE WHEN c.reltuples < 0 THEN 0 ELSE c.reltuples::bigint END) AS rows
FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
WHERE c.relname = ANY (:tables) AND c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace;
