-- A record is a submission, or a job that was submitted elsewhere.
-- Times are microseconds since 1970 by this server's clock; zero is none.
CREATE TABLE reducto_records (
  namespace     text COLLATE "C" NOT NULL,
  key           text COLLATE "C" NOT NULL,
  version       bigint  NOT NULL,            -- every change raises it
  submission_id text    NOT NULL,
  type          text    NOT NULL,
  webhook       boolean NOT NULL,            -- a delivery is expected
  state         text    NOT NULL,            -- pending, received, claimed, done, dead
  due_at        bigint  NOT NULL,            -- pending: to be polled, received: to be claimed,
                                             -- claimed: the lease ends, done or dead: finished
  submitted_at  bigint  NOT NULL,
  received_at   bigint  NOT NULL,
  jobs          text    NOT NULL,            -- JSON: [{"id": "...", "bound": true, "answer": true}]
                                             -- bound: the API or the user has named it
                                             -- answer: an answer to a send has named it
  open_sends    bigint  NOT NULL,            -- sends whose answer is expected
  sent          bigint  NOT NULL,            -- jobs that the other sends may have made
  heard         text    NOT NULL,            -- key of the job that the record was received for
  held          boolean NOT NULL,            -- received, and waiting for Bind
  status        text    NOT NULL,
  outcome       text    NOT NULL,
  source        text    NOT NULL,
  metadata      text    NOT NULL,            -- the notification's, as JSON; base64:... if it is not UTF-8
  given         text    NOT NULL,            -- the submission's metadata, which counts if there is any
  attempt       bigint  NOT NULL,
  token         bigint  NOT NULL,            -- of the latest claim
  looks         bigint  NOT NULL,
  error         text    NOT NULL,
  PRIMARY KEY (namespace, key)
);

-- A queue changes faster than statistics. The planner would take a long queue for a
-- short one, and sort it for each claim.
ALTER TABLE reducto_records ALTER COLUMN state SET STATISTICS 0;

-- For Claim: the longest received first.
CREATE INDEX reducto_records_queue ON reducto_records (namespace, received_at, due_at)
  WHERE state IN ('received', 'claimed');

-- For the next due time, Purge and Stats. Pending records have an index of their own.
-- due_at > 0 always holds. A statement that does not say so cannot use the index: while
-- the table is small, the planner would use it to find a key.
CREATE INDEX reducto_records_due ON reducto_records (namespace, state, due_at)
  WHERE due_at > 0 AND state <> 'pending';

-- For Overdue and Stats.
CREATE INDEX reducto_records_overdue ON reducto_records (namespace, webhook, due_at)
  WHERE state = 'pending';

-- The record that has a job. UUIDs are in lower case.
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
