-- The object of an event is not there. A second run finds it ended.
select sync.end_hint(p_system => :system, p_event_id => :event_id)::text
