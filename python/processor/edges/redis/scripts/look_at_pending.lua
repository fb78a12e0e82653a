-- Lists pending entries behind an id, the oldest first; changes nothing.
-- KEYS: stream, attempts. ARGV: group, least idle ms, id, number at most, and the consumer, of all if it is left out.
-- Reply: {id, consumer, idle ms, deliveries, recorded attempts as JSON or nil} each.
local rows = unless_no_group({}, 'XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[2], '(' .. ARGV[3], '+',
    ARGV[4], unpack(ARGV, 5))
for i, row in ipairs(rows) do
    rows[i] = {row[1], row[2], row[3], deliveries_of(row), redis.call('HGET', KEYS[2], row[1])}
end
return rows
