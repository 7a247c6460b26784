-- The role that Bactrian logs in as, and its database: for psql as a superuser, once, with BACTRIAN_PASSWORD in the environment.
-- docker-compose.yml runs it. A second run fails at its first statement and changes nothing.
--
-- The role is no superuser and may create neither databases nor roles. It owns its database, because it migrates it, makes and drops the
-- daily partitions of the timeline, and installs triggers on the tables that it tracks.
\set ON_ERROR_STOP on
\getenv password BACTRIAN_PASSWORD

create role bactrian login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password :'password';
create database bactrian owner bactrian;
revoke all on database bactrian from public;

-- To see how old the oldest transaction is, whosever it is: the metric bactrian.transaction.oldest.
grant pg_read_all_stats to bactrian;
