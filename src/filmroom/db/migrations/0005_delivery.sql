-- What goes out: deliveries to other nodes with a result for each object, and storage commitment both ways.

-- How Filmroom treats a destination, and how it is. One process at a time works for a destination (``owner``).
CREATE TABLE destination (
    ae_title      text COLLATE "C" PRIMARY KEY,
    associations  int NOT NULL DEFAULT 1 CHECK (associations BETWEEN 1 AND 32),
    bytes_per_s   bigint CHECK (bytes_per_s > 0),       -- null: as fast as it takes them
    paused        boolean NOT NULL DEFAULT false,
    failures      int NOT NULL DEFAULT 0,               -- in a row, of the destination and not of an object
    away_until    timestamptz,                          -- not tried before
    trouble       text NOT NULL DEFAULT '',
    owner         text,
    owner_until   timestamptz
);

-- An order to send objects to a destination. Its work is jobs of kind 'send', one for each group of its items.
CREATE TABLE delivery (
    pk           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ae_title     text COLLATE "C" NOT NULL,
    priority     int NOT NULL DEFAULT 0,                -- -1 low, 0 medium, 1 high
    state        text NOT NULL DEFAULT 'waiting',       -- waiting, done, failed (in part or whole), cancelled
    principal    text NOT NULL,
    reason       text NOT NULL DEFAULT '',              -- who or what ordered it: a rule, a person's words
    commit       boolean NOT NULL DEFAULT false,        -- ask the destination for storage commitment at the end
    n_items      int NOT NULL,
    trouble      text NOT NULL DEFAULT '',              -- why it was interrupted last
    created_at   timestamptz NOT NULL,
    retry_until  timestamptz NOT NULL,
    finished_at  timestamptz
);
CREATE INDEX delivery_open ON delivery (ae_title, pk) WHERE state IN ('waiting', 'failed');

CREATE TABLE delivery_item (
    delivery_pk  bigint NOT NULL,
    n            int NOT NULL,                          -- its place in the order of sending
    part         int NOT NULL,                          -- the job that sends it
    series_uid   text COLLATE "C" NOT NULL,
    sop_class    text COLLATE "C" NOT NULL,
    sop_uid      text COLLATE "C" NOT NULL,
    state        text NOT NULL DEFAULT 'waiting',       -- waiting, sending, sent, warning, failed, cancelled
    attempts     int NOT NULL DEFAULT 0,                -- times it left
    unsure       boolean NOT NULL DEFAULT false,        -- an attempt without an answer may have arrived
    status       int,                                   -- the destination's last answer
    comment      text NOT NULL DEFAULT '',
    at           timestamptz,
    PRIMARY KEY (delivery_pk, n)
) WITH (fillfactor = 70);

-- A storage commitment transaction (PS3.4 annex J): asked of us by ``peer`` ('scp'), or by us of ``peer`` ('scu').
CREATE TABLE commitment (
    pk               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    side             text NOT NULL,
    peer             text COLLATE "C" NOT NULL,
    our_ae           text COLLATE "C" NOT NULL,         -- the report comes from who was asked (J.3.3.1.2 note 2)
    transaction_uid  text COLLATE "C" NOT NULL,
    -- scp: checking, reporting, reported, undelivered.  scu: asking, asked, answered, refused
    state            text NOT NULL,
    trouble          text NOT NULL DEFAULT '',
    delivery_pk      bigint,                            -- scu: the delivery that it follows
    asked_at         timestamptz NOT NULL,
    finished_at      timestamptz,
    UNIQUE (side, peer, transaction_uid)
);

CREATE TABLE commitment_item (
    commitment_pk  bigint NOT NULL,
    n              int NOT NULL,
    sop_class      text COLLATE "C" NOT NULL,
    sop_uid        text COLLATE "C" NOT NULL,
    reason         int,                                 -- null: not known yet; 0: committed; else the Failure Reason
    PRIMARY KEY (commitment_pk, n)
) WITH (fillfactor = 80);
CREATE INDEX commitment_item_sop ON commitment_item (sop_uid);
