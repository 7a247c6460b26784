-- What the route files said of each table and system: written at start, for SQL and people to read.
create table sync.integration (
  system      text        not null,
  entity      text        not null,
  fields      text[]      not null,                  -- the columns that are synced, in the order in which they go out
  policy      text        not null,                  -- who decides each field: see sync.policy
  deletes_out text        not null default 'follow', -- what becomes of the object when the row is deleted
  deletes_in  text        not null default 'follow', -- what becomes of the row when the object is deleted
  defined_in  text        not null,                  -- the route file
  primary key (system, entity)
);
