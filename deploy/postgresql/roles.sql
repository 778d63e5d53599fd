-- The roles and the database of Fieldmerge, by psql 15 or newer, once, as an administrator: a superuser, or on a
-- hosted PostgreSQL the role that the provider gives you. The passwords come from the environment, because the
-- arguments of a program can be seen by everybody on the machine.
\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv engine_password ENGINE_PASSWORD
\getenv app_password APP_PASSWORD

CREATE ROLE fieldmerge_owner  LOGIN CREATEROLE PASSWORD :'owner_password';
CREATE ROLE fieldmerge_engine LOGIN PASSWORD :'engine_password';
CREATE ROLE fieldmerge_app    LOGIN PASSWORD :'app_password';

-- The owner gives the trigger functions to the engine, which takes membership in it.
GRANT fieldmerge_engine TO fieldmerge_owner WITH ADMIN OPTION;

-- Whoever is no superuser has to be a member of a role to give it a database.
GRANT fieldmerge_owner TO CURRENT_USER;

CREATE DATABASE fieldmerge OWNER fieldmerge_owner
  TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';

-- The engine keeps its lock tables in a schema of its own.
GRANT CREATE ON DATABASE fieldmerge TO fieldmerge_engine;

-- Already so in a new database; one that was upgraded from PostgreSQL 14 still lets everybody in.
\connect fieldmerge
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
