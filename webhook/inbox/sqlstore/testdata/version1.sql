
CREATE TABLE reducto_jobs (
    namespace text NOT NULL COLLATE pg_catalog."C",
    job text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE reducto_locks (
    namespace text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL,
    expires_at bigint NOT NULL
);

CREATE TABLE reducto_records (
    namespace text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    submission_id text NOT NULL,
    type text NOT NULL,
    webhook boolean NOT NULL,
    state text NOT NULL,
    due_at bigint NOT NULL,
    submitted_at bigint NOT NULL,
    received_at bigint NOT NULL,
    jobs text NOT NULL,
    open_sends bigint NOT NULL,
    sent bigint NOT NULL,
    heard text NOT NULL,
    held boolean NOT NULL,
    status text NOT NULL,
    outcome text NOT NULL,
    source text NOT NULL,
    metadata text NOT NULL,
    given text NOT NULL,
    attempt bigint NOT NULL,
    token bigint NOT NULL,
    looks bigint NOT NULL,
    error text NOT NULL
);
ALTER TABLE ONLY reducto_records ALTER COLUMN state SET STATISTICS 0;

CREATE TABLE reducto_schema (
    version bigint NOT NULL,
    compatible_from bigint NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

INSERT INTO reducto_jobs VALUES ('default', 'j-s-done', 's-done');
INSERT INTO reducto_jobs VALUES ('default', 'j-s-dead', 's-dead');
INSERT INTO reducto_jobs VALUES ('default', 'j-s-claimed', 's-claimed');
INSERT INTO reducto_jobs VALUES ('default', 'j-alone-done', 'j-alone-done');
INSERT INTO reducto_jobs VALUES ('default', 'j-resent-done-1', 's-resent-done');
INSERT INTO reducto_jobs VALUES ('default', 'j-resent-done-2', 's-resent-done');
INSERT INTO reducto_jobs VALUES ('default', 'j-pending-bound', 's-pending-bound');
INSERT INTO reducto_jobs VALUES ('default', 'j-pending-poll', 's-pending-poll');
INSERT INTO reducto_jobs VALUES ('default', 'j-tracked', 'j-tracked');
INSERT INTO reducto_jobs VALUES ('default', '0195f3a0-7c3e-7d10-8b7a-5d0c1e2f3a4c', '0195f3a0-7c3e-7d10-8b7a-5d0c1e2f3a4b');
INSERT INTO reducto_jobs VALUES ('default', 'j-received', 's-received');
INSERT INTO reducto_jobs VALUES ('default', 'j-alone', 'j-alone');
INSERT INTO reducto_jobs VALUES ('default', 'j-elsewhere', 's-elsewhere');
INSERT INTO reducto_jobs VALUES ('default', 'j-bytes', 'j-bytes');
INSERT INTO reducto_jobs VALUES ('default', 'j-held', 's-held');
INSERT INTO reducto_jobs VALUES ('default', 'j-held-again', 's-held-again');

INSERT INTO reducto_locks VALUES ('default', 'sweep', 'somebody', 1795939092087698);

INSERT INTO reducto_records VALUES ('default', '0195f3a0-7c3e-7d10-8b7a-5d0c1e2f3a4b', 690377556251, '0195F3A0-7C3E-7D10-8B7A-5D0C1E2F3A4B', 'Parse', true, 'pending', 1795939151065256, 1795939091065256, 0, '[{"id":"0195F3A0-7C3E-7D10-8B7A-5D0C1E2F3A4C","bound":true}]', 0, 1, '', false, '', '', '', '', '{"case":"0195F3A0-7C3E-7D10-8B7A-5D0C1E2F3A4B"}', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-received', 862641826205, 's-received', 'Parse', true, 'received', 1795939091072376, 1795939091067562, 1795939091072376, '[{"id":"j-received","bound":true}]', 0, 1, 'j-received', false, 'Completed', 'completed', 'webhook', '{"case":"s-receivedj-received"}', '', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 'j-alone', 698817435324, '', '', false, 'received', 1795939091073551, 0, 1795939091073551, '[{"id":"j-alone","bound":true}]', 0, 1, 'j-alone', false, 'Completed', 'completed', 'webhook', '{"case":"j-alone"}', '', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-elsewhere', 483787731372, 's-elsewhere', '', false, 'received', 1795939091074547, 0, 1795939091074547, '[{"id":"j-elsewhere"}]', 1, 0, 'j-elsewhere', false, 'Completed', 'completed', 'webhook', '{"case":"s-elsewherej-elsewhere"}', '', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-claimed', 590165982396, 's-claimed', 'Parse', true, 'claimed', 1795939092042808, 1795939091014571, 1795939091021467, '[{"id":"j-s-claimed","bound":true}]', 0, 1, 'j-s-claimed', false, 'Completed', 'completed', 'webhook', '{"case":"s-claimedj-s-claimed"}', '', 1, 711294548102, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-done', 850000057072, 's-done', 'Parse', true, 'done', 1795939091047444, 1795939090987431, 1795939091005115, '[{"id":"j-s-done","bound":true}]', 0, 1, 'j-s-done', false, 'Completed', 'completed', 'webhook', '{"case":"s-donej-s-done"}', '', 1, 347072245228, 0, 'as said');
INSERT INTO reducto_records VALUES ('default', 's-dead', 342641542647, 's-dead', 'Parse', true, 'dead', 1795939091049104, 1795939091007340, 1795939091013044, '[{"id":"j-s-dead","bound":true}]', 0, 1, 'j-s-dead', false, 'Completed', 'completed', 'webhook', '{"case":"s-deadj-s-dead"}', '', 1, 959496017122, 0, 'as said');
INSERT INTO reducto_records VALUES ('default', 'j-alone-done', 139752852791, '', '', false, 'done', 1795939091050245, 0, 1795939091023797, '[{"id":"j-alone-done","bound":true}]', 0, 1, 'j-alone-done', false, 'Completed', 'completed', 'webhook', '{"case":"j-alone-done"}', '', 1, 812142149999, 0, 'as said');
INSERT INTO reducto_records VALUES ('default', 's-resent-done', 491258057472, 's-resent-done', 'Parse', true, 'done', 1795939091051443, 1795939091025772, 1795939091039888, '[{"id":"j-resent-done-1","bound":true},{"id":"j-resent-done-2","bound":true}]', 0, 2, 'j-resent-done-1', false, 'Completed', 'completed', 'webhook', '{"case":"s-resent-donej-resent-done-1"}', '', 1, 120836151686, 0, 'as said');
INSERT INTO reducto_records VALUES ('default', 's-pending-open', 476417924548, 's-pending-open', 'Parse', true, 'pending', 1795939151052415, 1795939091052415, 0, '[]', 1, 0, '', false, '', '', '', '', '{"case":"s-pending-open"}', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-pending-bound', 803248911626, 's-pending-bound', 'Parse', true, 'pending', 1795939151053654, 1795939091053654, 0, '[{"id":"j-pending-bound","bound":true}]', 0, 1, '', false, '', '', '', '', '{"case":"s-pending-bound"}', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-pending-poll', 214527505581, 's-pending-poll', 'Parse', false, 'pending', 1795939151056818, 1795939091056818, 0, '[{"id":"j-pending-poll","bound":true}]', 0, 1, '', false, '', '', '', '', '{"case":"s-pending-poll"}', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-pending-lost', 46331431494, 's-pending-lost', 'Parse', true, 'pending', 1795939151061346, 1795939091061346, 0, '[]', 0, 1, '', false, '', '', '', '', '{"case":"s-pending-lost"}', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 'j-bytes', 560980083617, '', '', false, 'received', 1795939091075176, 0, 1795939091075176, '[{"id":"j-bytes","bound":true}]', 0, 1, 'j-bytes', false, 'Completed', 'completed', 'webhook', 'base64:eyJ4Ijoi/yJ9', '', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-held', 23657638385, 's-held', 'Parse', true, 'received', 1795939211077632, 1795939091076023, 1795939091077632, '[{"id":"j-held"},{"id":"j-held-other","free":true}]', 1, 0, 'j-held', true, 'Completed', 'completed', 'webhook', '{"case":"s-heldj-held"}', '{"case":"s-held"}', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 's-held-again', 671249943332, 's-held-again', 'Parse', true, 'received', 1795939211083724, 1795939091081559, 1795939091083724, '[{"id":"j-held-again"}]', 1, 0, 'j-held-again', true, 'Completed', 'completed', 'webhook', '{"case":"s-held-againj-held-again"}', '{"case":"s-held-again"}', 0, 0, 0, '');
INSERT INTO reducto_records VALUES ('default', 'j-tracked', 375381791075, '', '', false, 'pending', 1795939143205924, 1795939091064128, 0, '[{"id":"j-tracked","bound":true}]', 0, 1, '', false, '', '', '', '', '', 0, 0, 1, '');

INSERT INTO reducto_schema VALUES (1, 1, '2026-11-29 07:58:10.95361+00');

ALTER TABLE ONLY reducto_jobs
    ADD CONSTRAINT reducto_jobs_pkey PRIMARY KEY (namespace, job);

ALTER TABLE ONLY reducto_locks
    ADD CONSTRAINT reducto_locks_pkey PRIMARY KEY (namespace, name);

ALTER TABLE ONLY reducto_records
    ADD CONSTRAINT reducto_records_pkey PRIMARY KEY (namespace, key);

ALTER TABLE ONLY reducto_schema
    ADD CONSTRAINT reducto_schema_pkey PRIMARY KEY (version);

CREATE INDEX reducto_records_due ON reducto_records USING btree (namespace, state, due_at) WHERE ((due_at > 0) AND (state <> 'pending'::text));

CREATE INDEX reducto_records_overdue ON reducto_records USING btree (namespace, webhook, due_at) WHERE (state = 'pending'::text);

CREATE INDEX reducto_records_queue ON reducto_records USING btree (namespace, received_at, due_at) WHERE (state = ANY (ARRAY['received'::text, 'claimed'::text]));

