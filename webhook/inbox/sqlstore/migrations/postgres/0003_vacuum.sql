-- Claims pass over the index entries of dead rows in front of the queue, until a vacuum has
-- removed them. By default a vacuum waits for a fifth of the rows, and leaves the indexes
-- alone if few pages have dead rows. So claims would be slower in a large table.
ALTER TABLE reducto_records SET (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 50000,
  vacuum_index_cleanup = on
);
