-- Reserves a call to a system, and says how many milliseconds to wait before it; less than zero: ask again after so many. A second run reserves another.
select sync.permit(p_system => :system, p_class => :class, p_rate => :rate, p_background => :background)
