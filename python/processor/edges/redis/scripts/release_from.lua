-- Releases entries of one consumer, whoever asks for it: with such an idle time, the next consumer that claims takes
-- them. With JUSTID Redis does not count a delivery.
-- KEYS: stream. ARGV: group, consumer, least idle ms, id to go on behind, number at most, '1' to look only or '0',
-- idle ms of what is released.
-- Reply: {{released ids}, {ids that were pending, but are no longer in the stream}, last id or nil}.
local group, consumer, looks_only = ARGV[1], ARGV[2], ARGV[6] == '1'
local rows = unless_no_group({}, 'XPENDING', KEYS[1], group, 'IDLE', ARGV[3], '(' .. ARGV[4], '+', ARGV[5], consumer)
local ids, there, gone = {}, {}, {}
for i, row in ipairs(rows) do
    ids[i] = row[1]
    if looks_only then
        local into = #redis.call('XRANGE', KEYS[1], row[1], row[1]) > 0 and there or gone
        into[#into + 1] = row[1]
    end
end
if not looks_only then
    there, gone = renew_leases(KEYS[1], group, consumer, ids, 'IDLE', ARGV[7])
end
return {there, gone, ids[#ids] or false}
