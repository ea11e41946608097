-- Since when this node is fenced as a copy of one that is at work elsewhere.
ALTER TABLE system ADD COLUMN cloned_since INTEGER;
