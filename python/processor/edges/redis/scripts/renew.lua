-- Renews the leases of what is still the consumer's.
-- KEYS: stream. ARGV: group, consumer, ids.
-- Reply: {{leased ids}, {lost ids}}; the lost were the consumer's and are pending no more.
local ids = {}
for i = 3, #ARGV do
    ids[i - 2] = ARGV[i]
end
return {lease(KEYS[1], ARGV[1], ARGV[2], ids)}
