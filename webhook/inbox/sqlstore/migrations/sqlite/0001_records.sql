-- A record is a submission, or a job that was submitted elsewhere.
-- Times are microseconds since 1970 by the clock of this machine; zero is none.
CREATE TABLE reducto_records (
  namespace     text NOT NULL,
  key           text NOT NULL,
  version       integer NOT NULL,            -- raised by every change
  submission_id text    NOT NULL,
  type          text    NOT NULL,
  webhook       integer NOT NULL,            -- a delivery is expected
  state         text    NOT NULL,            -- pending, received, claimed, done, dead
  due_at        integer NOT NULL,            -- pending: to be looked for, received: to be claimed,
                                             -- claimed: the lease ends, done or dead: since when
  submitted_at  integer NOT NULL,
  received_at   integer NOT NULL,
  jobs          text    NOT NULL,            -- JSON: [{"id": "...", "bound": true}]
  open_sends    integer NOT NULL,            -- sends of which nobody has said what became of them
  sent          integer NOT NULL,            -- how many jobs the other sends may have made
  heard         text    NOT NULL,            -- the job whose end was received
  held          integer NOT NULL,            -- received before any job was known, not confirmed since
  status        text    NOT NULL,
  outcome       text    NOT NULL,
  source        text    NOT NULL,
  metadata      text    NOT NULL,            -- of the arrival, JSON as it came; base64:... if it is not UTF-8
  given         text    NOT NULL,            -- metadata of the submission, while it can be needed
  attempt       integer NOT NULL,
  token         integer NOT NULL,            -- of the latest claim
  looks         integer NOT NULL,
  error         text    NOT NULL,
  PRIMARY KEY (namespace, key)
) STRICT;

-- Whose turn it is.
CREATE INDEX reducto_records_queue ON reducto_records (namespace, received_at, due_at)
  WHERE state IN ('received', 'claimed');

-- When something is due next, what is old enough to be purged, and how many there are.
-- What is pending has an index of its own.
CREATE INDEX reducto_records_due ON reducto_records (namespace, state, due_at)
  WHERE state <> 'pending';

-- What is to be looked for, and how much that is.
CREATE INDEX reducto_records_overdue ON reducto_records (namespace, webhook, due_at)
  WHERE state = 'pending';

-- Whose a job is. A UUID is in lower case here.
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
