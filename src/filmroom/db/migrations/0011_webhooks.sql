-- The API: repeats of a request, jobs as resources, and webhooks with what became of each delivery.

-- What a POST with an Idempotency-Key was answered, for a day. ``status`` is null while it is being done.
CREATE TABLE idempotency (
    principal    text NOT NULL,
    key_digest   bytea NOT NULL,
    request      bytea NOT NULL,                    -- SHA-256 of method, address and body
    status       int,
    headers      jsonb NOT NULL DEFAULT '{}',
    body         bytea NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    held_until   timestamptz NOT NULL,              -- of one being done: from then on its process is taken for dead
    PRIMARY KEY (principal, key_digest)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE INDEX job_state ON job (state, pk) WHERE state IN ('waiting', 'running', 'dead');
CREATE INDEX job_finished ON job (finished_at) WHERE finished_at IS NOT NULL;

-- A subscription. ``seq`` is the last fact that it was asked about; ``kinds`` empty means all that its owner may see.
CREATE TABLE webhook (
    pk           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url          text NOT NULL,
    description  text NOT NULL DEFAULT '',
    kinds        text[] NOT NULL DEFAULT '{}',
    condition    jsonb NOT NULL DEFAULT '{}',       -- field of the fact -> the values of which one must be there
    enabled      boolean NOT NULL DEFAULT true,
    -- The key of the signatures must be had in plain to sign with; after a rotation the former one signs as well
    -- until ``former_until``.
    secret       bytea NOT NULL,
    former       bytea,
    former_until timestamptz,
    owner        text NOT NULL,
    seq          bigint NOT NULL,
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL,
    removed_at   timestamptz
);

-- One event for one subscription: the log, and what the job works on.
CREATE TABLE webhook_delivery (
    pk           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_pk   bigint NOT NULL,
    seq          bigint NOT NULL,                   -- of the fact; 0 for a test
    kind         text NOT NULL,
    at           timestamptz NOT NULL,              -- when it happened
    body         jsonb NOT NULL,
    state        text NOT NULL DEFAULT 'waiting',   -- waiting, delivered, failed
    attempts     int NOT NULL DEFAULT 0,
    status       int,                               -- the receiver's last answer
    trouble      text NOT NULL DEFAULT '',
    took_ms      int,
    job_pk       bigint,
    created_at   timestamptz NOT NULL,
    finished_at  timestamptz
) WITH (fillfactor = 80);
CREATE INDEX webhook_delivery_log ON webhook_delivery (webhook_pk, pk DESC);
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (webhook_pk) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_age ON webhook_delivery (created_at);
