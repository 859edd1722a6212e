-- Devices as data that changes while the server runs, our own AE titles, callers that were turned away, and the
-- associations that are open now.

-- ``version`` changes with every change of the row: what an editor saw is told from what has come since.
ALTER TABLE device
    ADD COLUMN version    bigint NOT NULL DEFAULT 1,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();

-- AE titles that the archive answers to beside the one of the settings (or over it, under the same title).
CREATE TABLE local_ae (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ae_title    text COLLATE "C" NOT NULL UNIQUE,
    description text NOT NULL DEFAULT '',
    enabled     boolean NOT NULL DEFAULT true,
    policy      jsonb NOT NULL DEFAULT '{}',      -- archive/devices_local
    version     bigint NOT NULL DEFAULT 1,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

-- Callers that did not get what they asked for: bounded by archive/devices_callers, a row for each way it went wrong.
CREATE TABLE caller (
    pk                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    calling_ae             text COLLATE "C" NOT NULL,
    called_ae              text COLLATE "C" NOT NULL,
    address                text COLLATE "C" NOT NULL,
    reason                 text NOT NULL,               -- a code of archive/devices_callers
    detail                 text NOT NULL DEFAULT '',
    implementation_class   text NOT NULL DEFAULT '',
    implementation_version text NOT NULL DEFAULT '',
    proposal               jsonb NOT NULL DEFAULT '[]', -- [{sop_class, syntaxes, scu, scp}]
    services               text[] NOT NULL DEFAULT '{}',  -- that the proposal suggests
    attempts               bigint NOT NULL DEFAULT 1,
    first_seen             timestamptz NOT NULL,
    last_seen              timestamptz NOT NULL,
    state                  text NOT NULL DEFAULT 'pending',   -- pending, dismissed, approved
    decided_by             text,
    decided_at             timestamptz,
    UNIQUE (calling_ae, called_ae, address, reason)
);
CREATE INDEX caller_pending ON caller (last_seen DESC) WHERE state = 'pending';

-- Associations open now, over all processes. Unlogged: after a crash there are none.
CREATE UNLOGGED TABLE live_association (
    node          text NOT NULL,                 -- the process
    id            bigint NOT NULL,               -- its own number of it
    inbound       boolean NOT NULL,
    peer          text NOT NULL,
    calling_ae    text NOT NULL,
    called_ae     text NOT NULL,
    opened_at     timestamptz NOT NULL,
    active_at     timestamptz NOT NULL,
    operation     text NOT NULL DEFAULT '',
    messages_in   bigint NOT NULL DEFAULT 0,
    messages_out  bigint NOT NULL DEFAULT 0,
    pdus_in       bigint NOT NULL DEFAULT 0,
    pdus_out      bigint NOT NULL DEFAULT 0,
    bytes_in      bigint NOT NULL DEFAULT 0,
    bytes_out     bigint NOT NULL DEFAULT 0,
    objects_in    bigint NOT NULL DEFAULT 0,
    objects_out   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (node, id)
) WITH (fillfactor = 50);
CREATE UNLOGGED TABLE live_node (node text PRIMARY KEY, seen_at timestamptz NOT NULL) WITH (fillfactor = 50);
