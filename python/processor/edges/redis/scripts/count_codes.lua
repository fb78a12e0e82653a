-- Counts dead letters by their code, the newest first; changes nothing.
-- KEYS: dead letters. ARGV: id to go on before, number at most.
-- Reply: {number, last id or nil, code and number of each in turn}.
local letters = redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])
local counts, reply = {}, {#letters, #letters > 0 and letters[#letters][1]}
for _, letter in ipairs(letters) do
    local code = ''
    for i = 1, #letter[2], 2 do
        if letter[2][i] == 'dlq_code' then
            code = letter[2][i + 1]
        end
    end
    counts[code] = (counts[code] or 0) + 1
end
for code, count in pairs(counts) do
    reply[#reply + 1] = code
    reply[#reply + 1] = count
end
return reply
