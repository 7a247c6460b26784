-- Applies one inbound event. A second run finds it in the ledger and does nothing.
select sync.apply_inbound(
         p_system   => :#${variable.system},
         p_entity   => :#${variable.entity},
         p_event    => :#${variable.event},
         p_remote   => :#${variable.remote},
         p_previous => :#${variable.previous},
         p_error    => :#${variable.error},
         p_fields   => :#${variable.fields}::text[],
         p_policy   => :#${variable.policy}) as outcome
