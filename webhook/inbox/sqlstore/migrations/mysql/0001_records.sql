-- A record is a submission, or a job that was submitted elsewhere.
-- Times are microseconds since 1970 by this server's clock; zero is none.
-- Keys are bytes: text would be compared without its trailing spaces.
CREATE TABLE reducto_records (
  namespace     varbinary(64)   NOT NULL,
  `key`         varbinary(2048) NOT NULL,
  version       bigint      NOT NULL,        -- every change raises it
  submission_id text        NOT NULL,
  type          longtext    NOT NULL,
  webhook       boolean     NOT NULL,        -- a delivery is expected
  state         varchar(16) NOT NULL,        -- pending, received, claimed, done, dead
  due_at        bigint      NOT NULL,        -- pending: to be polled, received: to be claimed,
                                             -- claimed: the lease ends, done or dead: finished
  submitted_at  bigint      NOT NULL,
  received_at   bigint      NOT NULL,
  jobs          longtext    NOT NULL,        -- JSON: [{"id": "...", "bound": true, "answer": true}]
                                             -- bound: the API or the user has named it
                                             -- answer: an answer to a send has named it
  open_sends    bigint      NOT NULL,        -- sends whose answer is expected
  sent          bigint      NOT NULL,        -- jobs that the other sends may have made
  heard         text        NOT NULL,        -- key of the job that the record was received for
  held          boolean     NOT NULL,        -- received, and waiting for Bind
  status        longtext    NOT NULL,
  outcome       longtext    NOT NULL,
  source        longtext    NOT NULL,
  metadata      longtext    NOT NULL,        -- the notification's, as JSON; base64:... if it is not UTF-8
  given         longtext    NOT NULL,        -- the submission's metadata, which counts if there is any
  attempt       bigint      NOT NULL,
  token         bigint      NOT NULL,        -- of the latest claim
  looks         bigint      NOT NULL,
  error         longtext    NOT NULL,
  PRIMARY KEY (namespace, `key`),
  -- For Claim: the longest received first. A claim locks the rows that it reads. So it
  -- must not read records that are claimed and whose lease has not ended.
  KEY reducto_records_queue (namespace, state, received_at, due_at),
  -- For leases that have ended, the next due time, Overdue, Purge and Stats.
  KEY reducto_records_due (namespace, state, due_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The record that has a job. UUIDs are in lower case.
CREATE TABLE reducto_jobs (
  namespace varbinary(64)   NOT NULL,
  job       varbinary(2048) NOT NULL,
  `key`     varbinary(2048) NOT NULL,
  PRIMARY KEY (namespace, job)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE reducto_locks (
  namespace  varbinary(64)   NOT NULL,
  name       varbinary(2048) NOT NULL,
  owner      varbinary(2048) NOT NULL,
  expires_at bigint          NOT NULL,
  PRIMARY KEY (namespace, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
