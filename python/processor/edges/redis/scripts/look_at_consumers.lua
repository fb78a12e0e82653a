-- Lists the group's consumers; changes nothing.
-- KEYS: stream. ARGV: group.
-- Reply: {name, pending, idle ms} each.
local reply = {}
for i, row in ipairs(consumers_of(KEYS[1], ARGV[1])) do
    reply[i] = {row['name'], row['pending'], row['idle']}
end
return reply
