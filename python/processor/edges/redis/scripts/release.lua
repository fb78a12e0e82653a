-- Releases entries that are still the consumer's: with such an idle time, the next consumer that claims takes
-- them. With JUSTID Redis does not count a delivery.
-- KEYS: stream. ARGV: group, consumer, idle ms, ids.
-- Reply: {released ids}.
local ids = {}
for i = 4, #ARGV do
    ids[i - 3] = ARGV[i]
end
local released = renew_leases(KEYS[1], ARGV[1], ARGV[2], ids, 'IDLE', ARGV[3])
return released
