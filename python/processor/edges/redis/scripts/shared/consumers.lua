-- Shared: the group's consumers as rows {name, pending, idle}; none without the stream or the group.
local function consumers_of(stream, group)
    if redis.call('EXISTS', stream) == 0 then
        return {}
    end
    local rows = {}
    for i, list in ipairs(unless_no_group({}, 'XINFO', 'CONSUMERS', stream, group)) do
        rows[i] = by_name(list)
    end
    return rows
end

