-- Makes the timeline's next days, and drops old ones. A second run finds it done.
select sync.keep_activity(p_keep => :#${properties:activity.keep}::interval)
