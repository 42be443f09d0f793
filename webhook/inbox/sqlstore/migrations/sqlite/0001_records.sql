-- A record is a submission, or a job that was submitted elsewhere.
-- Times are microseconds since 1970 by the clock of this machine; zero is none.
CREATE TABLE reducto_records (
  namespace     text NOT NULL,
  key           text NOT NULL,
  version       integer NOT NULL,            -- every change raises it
  submission_id text    NOT NULL,
  type          text    NOT NULL,
  webhook       integer NOT NULL,            -- a delivery is expected
  state         text    NOT NULL,            -- pending, received, claimed, done, dead
  due_at        integer NOT NULL,            -- pending: to be polled, received: to be claimed,
                                             -- claimed: the lease ends, done or dead: finished
  submitted_at  integer NOT NULL,
  received_at   integer NOT NULL,
  jobs          text    NOT NULL,            -- JSON: [{"id": "...", "bound": true, "answer": true}]
                                             -- bound: the API or the user has named it
                                             -- answer: an answer to a send has named it
  open_sends    integer NOT NULL,            -- sends whose answer is expected
  sent          integer NOT NULL,            -- jobs that the other sends may have made
  heard         text    NOT NULL,            -- key of the job that the record was received for
  held          integer NOT NULL,            -- received, and waiting for Bind
  status        text    NOT NULL,
  outcome       text    NOT NULL,
  source        text    NOT NULL,
  metadata      text    NOT NULL,            -- the notification's, as JSON; base64:... if it is not UTF-8
  given         text    NOT NULL,            -- the submission's metadata, which counts if there is any
  attempt       integer NOT NULL,
  token         integer NOT NULL,            -- of the latest claim
  looks         integer NOT NULL,
  error         text    NOT NULL,
  PRIMARY KEY (namespace, key)
) STRICT;

-- For Claim: the longest received first.
CREATE INDEX reducto_records_queue ON reducto_records (namespace, received_at, due_at)
  WHERE state IN ('received', 'claimed');

-- For the next due time, Purge and Stats. Pending records have an index of their own.
CREATE INDEX reducto_records_due ON reducto_records (namespace, state, due_at)
  WHERE state <> 'pending';

-- For Overdue and Stats.
CREATE INDEX reducto_records_overdue ON reducto_records (namespace, webhook, due_at)
  WHERE state = 'pending';

-- The record that has a job. UUIDs are in lower case.
CREATE TABLE reducto_jobs (
  namespace text NOT NULL,
  job       text NOT NULL,
  key       text NOT NULL,
  PRIMARY KEY (namespace, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE reducto_locks (
  namespace  text NOT NULL,
  name       text NOT NULL,
  owner      text    NOT NULL,
  expires_at integer NOT NULL,
  PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;
