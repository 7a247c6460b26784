-- Says that this instance lives. Safe to repeat.
select sync.beat(p_instance => :#${properties:instance.id})
