-- In the clear: ids, application, name, kind, revision, key version, generation. All else is sealed.
CREATE TABLE system (
  one            INTEGER PRIMARY KEY CHECK (one = 1),
  id             BLOB NOT NULL CHECK (length(id) = 16),
  name           TEXT NOT NULL,
  created        INTEGER NOT NULL,
  node           BLOB NOT NULL CHECK (length(node) = 16),
  node_name      TEXT NOT NULL,
  epoch          INTEGER NOT NULL,
  active_version INTEGER NOT NULL,
  generation     INTEGER NOT NULL
) STRICT;

CREATE TABLE record (
  id          BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
  kind        TEXT NOT NULL,
  application TEXT NOT NULL,
  name        TEXT NOT NULL,
  revision    INTEGER NOT NULL CHECK (revision > 0),
  key_version INTEGER NOT NULL,
  generation  INTEGER NOT NULL,
  summary     BLOB NOT NULL,
  envelope    BLOB NOT NULL
) STRICT;

-- What makes a port the same port. Documents may share a name.
CREATE UNIQUE INDEX record_identity ON record (application, name, kind) WHERE kind <> 'document';

CREATE TABLE former (
  id          BLOB NOT NULL REFERENCES record (id),
  revision    INTEGER NOT NULL,
  key_version INTEGER NOT NULL,
  generation  INTEGER NOT NULL,
  envelope    BLOB NOT NULL,
  PRIMARY KEY (id, revision)
) STRICT;

CREATE TABLE audit (
  seq    INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  who    TEXT NOT NULL,
  origin TEXT NOT NULL,
  act    TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL,
  hash   TEXT NOT NULL
) STRICT;

-- Backups that passed their drill.
CREATE TABLE backup (
  seq            INTEGER PRIMARY KEY,
  file           TEXT NOT NULL,
  created        INTEGER NOT NULL,
  proven         INTEGER NOT NULL,
  active_version INTEGER NOT NULL,
  generation     INTEGER NOT NULL,
  secret_only    INTEGER NOT NULL,
  ports          INTEGER NOT NULL,
  records        INTEGER NOT NULL,
  reminder       TEXT
) STRICT;
