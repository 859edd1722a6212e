-- The flight recorder: what was said on each association. ``body`` is zlib of UTF-8 JSON, patient data masked.

CREATE TABLE association_recording (
    pk            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key           text COLLATE "C" NOT NULL UNIQUE,     -- its writer's: a long association is written more than once
    opened_at     timestamptz NOT NULL,
    outgoing      boolean NOT NULL,
    standing      boolean NOT NULL,
    peer          text NOT NULL,
    calling_ae    text COLLATE "C" NOT NULL,
    called_ae     text COLLATE "C" NOT NULL,
    tls           boolean NOT NULL,
    outcome       text NOT NULL,
    reason        text NOT NULL,
    n_messages    bigint NOT NULL,
    n_failures    bigint NOT NULL,                      -- responses with a failure status, both ways
    bytes_in      bigint NOT NULL,
    bytes_out     bigint NOT NULL,
    seconds       double precision NOT NULL,
    size_bytes    int NOT NULL,
    body          bytea NOT NULL
);
CREATE INDEX association_recording_calling ON association_recording (calling_ae, pk);
CREATE INDEX association_recording_called ON association_recording (called_ae, pk);

-- Devices for which the values of query keys are recorded too, for a limited time.
CREATE TABLE recorded_values (
    ae_title  text COLLATE "C" PRIMARY KEY,
    until     timestamptz NOT NULL,
    asked_by  text NOT NULL
);
