-- Who is master, and the certificate of the system's authority.
ALTER TABLE system ADD COLUMN master BLOB;
ALTER TABLE system ADD COLUMN ca BLOB;
UPDATE system SET master = node;
-- The highest that this node has ever seen of its master, and what it knows of itself.
ALTER TABLE system ADD COLUMN seen_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE system ADD COLUMN seen_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE system ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE system ADD COLUMN standing TEXT NOT NULL DEFAULT 'member';

-- The registry: what a request may do is read from here each time.
CREATE TABLE node (
  id                  BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  name                TEXT NOT NULL,
  role                TEXT NOT NULL CHECK (role IN ('standby', 'processing')),
  administrator       INTEGER NOT NULL,
  revoked             INTEGER NOT NULL DEFAULT 0,
  key_hash            BLOB NOT NULL UNIQUE CHECK (length(key_hash) = 32),
  address             TEXT,
  version             TEXT NOT NULL,
  joined              INTEGER NOT NULL,
  certificate_expires INTEGER NOT NULL,
  -- Entries of the node's own spool that the audit trail holds already.
  spooled             INTEGER NOT NULL DEFAULT 0,
  generation          INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX node_name ON node (name COLLATE NOCASE) WHERE revoked = 0;

-- Open invitations. Only the master has any; a token is kept as its hash.
CREATE TABLE invite (
  token_hash    BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
  name          TEXT NOT NULL,
  role          TEXT NOT NULL,
  administrator INTEGER NOT NULL,
  expires       INTEGER NOT NULL
) STRICT;

-- What a node that is not the master did of its own (reveals, exports, backups), until the master's trail has it.
CREATE TABLE spool (
  seq   INTEGER PRIMARY KEY AUTOINCREMENT,
  entry TEXT NOT NULL
) STRICT;

-- What sync asks by.
CREATE INDEX record_generation ON record (generation);
CREATE INDEX former_generation ON former (generation);
