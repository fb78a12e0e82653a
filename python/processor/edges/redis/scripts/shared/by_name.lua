-- Shared: what XINFO replies, by the names of its fields.
local function by_name(list)
    local values = {}
    for i = 1, #list, 2 do
        values[list[i]] = list[i + 1]
    end
    return values
end

