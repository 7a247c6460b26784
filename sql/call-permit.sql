-- Reserves a call to a system, and says how many milliseconds to wait before it. A second run reserves another.
select sync.permit(
         p_system     => :#${variable.system},
         p_class      => :#${variable.resource},
         p_rate       => :#${variable.rate_limit}::numeric,
         p_background => :#${variable.background}::boolean)
