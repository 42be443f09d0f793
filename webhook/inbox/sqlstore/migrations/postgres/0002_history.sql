-- What happened to a record. Programs of version 1 neither write it nor remove it with
-- its record.
CREATE TABLE reducto_history (
  namespace text COLLATE "C" NOT NULL,
  id        bigint  GENERATED ALWAYS AS IDENTITY,
  key       text COLLATE "C" NOT NULL,       -- of the record
  at        bigint  NOT NULL,                -- microseconds since 1970 by the process's clock
  kind      text    NOT NULL,
  job       text    NOT NULL,
  code      bigint  NOT NULL,                -- the answer to a delivery, zero if there is none
  attempt   bigint  NOT NULL,
  detail    text    NOT NULL,
  PRIMARY KEY (namespace, id)
);

CREATE INDEX reducto_history_key ON reducto_history (namespace, key, id);

-- For lists of dead records in the order of their keys.
CREATE INDEX reducto_records_dead ON reducto_records (namespace, key)
  WHERE state = 'dead';
