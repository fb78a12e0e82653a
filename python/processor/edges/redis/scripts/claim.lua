-- Claims entries that have been idle for long enough; with JUSTID Redis does not count a delivery.
-- XAUTOCLAIM looks at ten times `count` entries at most, and drops those that are no longer in the stream.
-- KEYS: stream, attempts. ARGV: group, consumer, idle ms, cursor, count.
-- Reply: {cursor, {{id, deliveries, recorded attempts as JSON or nil} each}, {lost ids}}.
local group, consumer = ARGV[1], ARGV[2]
local step = unless_no_group({'0-0', {}, {}}, 'XAUTOCLAIM', KEYS[1], group, consumer, ARGV[3], ARGV[4],
    'COUNT', ARGV[5], 'JUSTID')
local rows = {}
for i, id in ipairs(step[2]) do
    rows[i] = pending_row(KEYS[1], group, id, consumer)
end
return {step[1], with_attempts(rows, KEYS[2]), step[3]}
