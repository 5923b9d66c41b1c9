-- A trust that is deleted goes with its row: nothing asks for it any more.
DELETE FROM trusts WHERE deleted_at IS NOT NULL;
ALTER TABLE trusts DROP COLUMN deleted_at;
