-- The next batch of changes. Claiming again returns the same ones until they are acknowledged, so a crash in between
-- publishes them twice, which harms nobody.
select id, entity, record_id, op, origin, target, changed_ms, envelope
  from sync.outbox_claim(
         p_instance  => :instance,
         p_lease     => :lease::interval,
         p_round     => :round,
         p_max_rows  => :max_rows::integer,
         p_max_bytes => :max_bytes::bigint,
         p_waiting   => :waiting::text[])
