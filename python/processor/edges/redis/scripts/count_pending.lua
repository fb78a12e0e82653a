-- Counts pending entries behind an id by consumer; changes nothing.
-- KEYS: stream. ARGV: group, least idle ms, id, number at most, and the consumer, of all if it is left out.
-- Reply: {number, last id or nil, name and number of each consumer in turn}.
local rows = unless_no_group({}, 'XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[2], '(' .. ARGV[3], '+',
    ARGV[4], unpack(ARGV, 5))
local counts, reply = {}, {#rows, #rows > 0 and rows[#rows][1]}
for _, row in ipairs(rows) do
    counts[row[2]] = (counts[row[2]] or 0) + 1
end
for name, count in pairs(counts) do
    reply[#reply + 1] = name
    reply[#reply + 1] = count
end
return reply
