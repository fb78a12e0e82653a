-- Lists pending entries of one consumer behind an id, the oldest first; changes nothing.
-- KEYS: stream, attempts. ARGV: group, consumer, id, count.
-- Reply: {id, deliveries, recorded attempts as JSON or nil} each; none without the group.
local rows = unless_no_group({}, 'XPENDING', KEYS[1], ARGV[1], '(' .. ARGV[3], '+', ARGV[4], ARGV[2])
return with_attempts(rows, KEYS[2])
