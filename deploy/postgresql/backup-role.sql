-- The role of backups, once, as a superuser: row-level security is forced on everybody who may not bypass it, and
-- pg_dump would rather fail than leave rows out.
\set ON_ERROR_STOP on
\getenv backup_password BACKUP_PASSWORD

CREATE ROLE fieldmerge_backup LOGIN BYPASSRLS PASSWORD :'backup_password';
GRANT pg_read_all_data TO fieldmerge_backup;
