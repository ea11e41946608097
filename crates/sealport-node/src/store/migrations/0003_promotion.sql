-- The public key that grants are checked with; known from joining, from the bundle, or from the master.
ALTER TABLE system ADD COLUMN grant_key BLOB;
-- What this node promised as a voter.
ALTER TABLE system ADD COLUMN promised_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE system ADD COLUMN promised_to BLOB;
-- Whether this node was the master of the history that its database holds, and another one began before its end.
ALTER TABLE system ADD COLUMN stood_down INTEGER NOT NULL DEFAULT 0;

-- Every grant that was proven here, as it travels.
CREATE TABLE granted (
  epoch INTEGER NOT NULL,
  node  BLOB NOT NULL CHECK (length(node) = 16),
  text  TEXT NOT NULL,
  PRIMARY KEY (epoch, node)
) STRICT;

-- Writes that the present history lacks. Sealed as they were; an outcome takes the envelope away.
CREATE TABLE stranded (
  seq         INTEGER PRIMARY KEY,
  origin      TEXT NOT NULL,
  record      BLOB NOT NULL CHECK (length(record) = 16),
  kind        TEXT NOT NULL,
  application TEXT NOT NULL,
  name        TEXT NOT NULL,
  revision    INTEGER NOT NULL,
  key_version INTEGER NOT NULL,
  generation  INTEGER NOT NULL,
  -- SHA-256 of id, revision and envelope: the same write comes from several nodes.
  digest      BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  envelope    BLOB NOT NULL,
  outcome     TEXT NOT NULL DEFAULT ''
) STRICT;
