-- Deletes dead letters.
-- KEYS: dead letters. ARGV: dry run ('1' or '0'); then ids.
-- Reply: {ids that were there}.
local dropped = {}
for i = 2, #ARGV do
    local is_there
    if ARGV[1] == '1' then
        is_there = #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i]) > 0
    else
        is_there = redis.call('XDEL', KEYS[1], ARGV[i]) == 1
    end
    if is_there then
        dropped[#dropped + 1] = ARGV[i]
    end
end
return dropped
