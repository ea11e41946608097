-- Rotations of the master secret, by the version that each makes; at most one is under way. Nodes have a copy.
CREATE TABLE rotation (
  version    INTEGER PRIMARY KEY,
  former     INTEGER NOT NULL,
  phase      TEXT NOT NULL,
  paused     INTEGER NOT NULL DEFAULT 0,
  epoch      INTEGER NOT NULL,
  started    INTEGER NOT NULL,
  by         TEXT NOT NULL,
  backup     TEXT,
  total      INTEGER NOT NULL DEFAULT 0,
  finished   INTEGER,
  -- The generation from which on nothing is sealed under an older version.
  cleared    INTEGER,
  note       TEXT,
  generation INTEGER NOT NULL
) STRICT;

-- Versions that are gone from every node.
CREATE TABLE destroyed (
  version    INTEGER PRIMARY KEY,
  kcv        TEXT NOT NULL,
  created    INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  by         TEXT NOT NULL,
  generation INTEGER NOT NULL
) STRICT;

-- What is left under a version, and the next of it.
CREATE INDEX record_key_version ON record (key_version);
CREATE INDEX former_key_version ON former (key_version);

-- The versions that a backup holds, with commas between; empty in one of before, which holds those up to its active one.
ALTER TABLE backup ADD COLUMN versions TEXT NOT NULL DEFAULT '';
