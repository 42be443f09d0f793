-- What happened to a record. Programs of version 1 neither write it nor remove it with
-- its record.
CREATE TABLE reducto_history (
  id        integer PRIMARY KEY,
  namespace text    NOT NULL,
  key       text    NOT NULL,                -- of the record
  at        integer NOT NULL,                -- microseconds since 1970 by the process's clock
  kind      text    NOT NULL,
  job       text    NOT NULL,
  code      integer NOT NULL,                -- the answer to a delivery, zero if there is none
  attempt   integer NOT NULL,
  detail    text    NOT NULL
) STRICT;

CREATE INDEX reducto_history_key ON reducto_history (namespace, key);

-- In the order of their ids, to remove those whose records are gone.
CREATE INDEX reducto_history_id ON reducto_history (namespace, id);

-- For lists of dead records in the order of their keys.
CREATE INDEX reducto_records_dead ON reducto_records (namespace, key)
  WHERE state = 'dead';
