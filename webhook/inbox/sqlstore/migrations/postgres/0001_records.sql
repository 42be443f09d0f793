-- A record is a submission, or a job that was submitted elsewhere.
-- Times are microseconds since 1970 by this server's clock; zero is none.
CREATE TABLE reducto_records (
  namespace     text COLLATE "C" NOT NULL,
  key           text COLLATE "C" NOT NULL,
  version       bigint  NOT NULL,            -- raised by every change
  submission_id text    NOT NULL,
  type          text    NOT NULL,
  webhook       boolean NOT NULL,            -- a delivery is expected
  state         text    NOT NULL,            -- pending, received, claimed, done, dead
  due_at        bigint  NOT NULL,            -- pending: to be looked for, received: to be claimed,
                                             -- claimed: the lease ends, done or dead: since when
  submitted_at  bigint  NOT NULL,
  received_at   bigint  NOT NULL,
  jobs          text    NOT NULL,            -- JSON: [{"id": "...", "bound": true}]
  open_sends    bigint  NOT NULL,            -- sends of which nobody has said what became of them
  sent          bigint  NOT NULL,            -- how many jobs the other sends may have made
  heard         text    NOT NULL,            -- the job whose end was received
  held          boolean NOT NULL,            -- received before any job was known, not confirmed since
  status        text    NOT NULL,
  outcome       text    NOT NULL,
  source        text    NOT NULL,
  metadata      text    NOT NULL,            -- of the arrival, JSON as it came; base64:... if it is not UTF-8
  given         text    NOT NULL,            -- metadata of the submission, while it can be needed
  attempt       bigint  NOT NULL,
  token         bigint  NOT NULL,            -- of the latest claim
  looks         bigint  NOT NULL,
  error         text    NOT NULL,
  PRIMARY KEY (namespace, key)
);

-- What is in the queue changes faster than statistics. Believing that it is short,
-- because it was, the planner would sort it for every claim when it is long.
ALTER TABLE reducto_records ALTER COLUMN state SET STATISTICS 0;

-- Whose turn it is.
CREATE INDEX reducto_records_queue ON reducto_records (namespace, received_at, due_at)
  WHERE state IN ('received', 'claimed');

-- When something is due next, what is old enough to be purged, and how many there are.
-- What is pending has an index of its own. That something is due always holds; it keeps
-- the index from statements that do not say so: while the table is small, the planner
-- would take it for a way to find a key.
CREATE INDEX reducto_records_due ON reducto_records (namespace, state, due_at)
  WHERE due_at > 0 AND state <> 'pending';

-- What is to be looked for, and how much that is.
CREATE INDEX reducto_records_overdue ON reducto_records (namespace, webhook, due_at)
  WHERE state = 'pending';

-- Whose a job is. A UUID is in lower case here.
CREATE TABLE reducto_jobs (
  namespace text COLLATE "C" NOT NULL,
  job       text COLLATE "C" NOT NULL,
  key       text COLLATE "C" NOT NULL,
  PRIMARY KEY (namespace, job)
);

CREATE TABLE reducto_locks (
  namespace  text COLLATE "C" NOT NULL,
  name       text COLLATE "C" NOT NULL,
  owner      text   NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (namespace, name)
);
