-- Shared: rows of XPENDING as {id, deliveries, recorded attempts as JSON or nil} each.
local function with_attempts(rows, attempts_key)
    if #rows == 0 then
        return {}
    end
    local ids = {}
    for i, row in ipairs(rows) do
        ids[i] = row[1]
    end
    local attempts = redis.call('HMGET', attempts_key, unpack(ids))
    local entries = {}
    for i, row in ipairs(rows) do
        entries[i] = {row[1], deliveries_of(row), attempts[i]}
    end
    return entries
end
