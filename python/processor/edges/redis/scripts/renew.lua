-- Renews the leases of entries that are still the consumer's.
-- KEYS: stream. ARGV: group, consumer, ids.
-- Reply: {{leased ids}, {lost ids}}; the lost ones were the consumer's, and are no longer in the stream.
local ids = {}
for i = 3, #ARGV do
    ids[i - 2] = ARGV[i]
end
return {renew_leases(KEYS[1], ARGV[1], ARGV[2], ids)}
