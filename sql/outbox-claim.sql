-- The next batch of changes. Claiming again returns the same ones until they are acknowledged, so a crash in between
-- publishes them twice, which harms nobody.
select *
  from sync.outbox_claim(
         p_instance  => :#${properties:instance.id},
         p_lease     => :#${properties:capture.lease}::interval,
         p_round     => :#${exchangeProperty.CamelLoopIndex},
         p_max_rows  => :#${properties:capture.batch-rows}::integer,
         p_max_bytes => :#${properties:capture.batch-bytes}::bigint)
