-- What goes out by rule.

-- When a study is complete, or objects arrive, and the condition (dicom/conditions) holds: send them on.
CREATE TABLE forward_rule (
    name          text PRIMARY KEY,
    event         text NOT NULL CHECK (event IN ('arrival', 'complete')),
    condition     text NOT NULL DEFAULT '',         -- '' is always
    destinations  text[] NOT NULL,
    rank          int NOT NULL DEFAULT 0,           -- higher first
    stop          boolean NOT NULL DEFAULT false,   -- what it takes is offered to no further rule
    priority      int,                              -- -1, 0, 1; null: that of the device
    commit        boolean NOT NULL DEFAULT false,   -- ask for storage commitment afterwards
    delay_s       double precision NOT NULL DEFAULT 0,
    enabled       boolean NOT NULL DEFAULT true,
    changed_at    timestamptz NOT NULL,
    changed_by    text NOT NULL
);

-- What rules have sent where: an object goes to a destination by rule once.
CREATE TABLE forwarded (
    ae_title      text COLLATE "C" NOT NULL,
    instance_pk   bigint NOT NULL,
    rule          text NOT NULL,
    delivery_pk   bigint,
    PRIMARY KEY (instance_pk, ae_title)
);
