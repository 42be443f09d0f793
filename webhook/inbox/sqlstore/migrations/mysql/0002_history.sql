-- What happened to a record. Programs of version 1 neither write it nor remove it with
-- its record.
CREATE TABLE reducto_history (
  id        bigint          NOT NULL AUTO_INCREMENT,
  namespace varbinary(64)   NOT NULL,
  `key`     varbinary(2048) NOT NULL,        -- of the record
  at        bigint          NOT NULL,        -- microseconds since 1970 by the process's clock
  kind      text            NOT NULL,
  job       text            NOT NULL,
  code      bigint          NOT NULL,        -- the answer to a delivery, zero if there is none
  attempt   bigint          NOT NULL,
  detail    text            NOT NULL,
  PRIMARY KEY (id),
  KEY reducto_history_key (namespace, `key`, id),
  -- In the order of their ids, to remove those whose records are gone.
  KEY reducto_history_id (namespace, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
