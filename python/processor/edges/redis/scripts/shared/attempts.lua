-- Shared: the recorded attempts of an entry, a JSON object in a field of the attempts hash.

-- {n, first_failed_at, last_failed_at, code}; a field that cannot be read counts as no attempt.
local function read_attempts(attempts_key, id)
    local text = redis.call('HGET', attempts_key, id)
    local readable, value = pcall(cjson.decode, text or '{}')
    if not readable or type(value) ~= 'table' then
        value = {}
    end
    local function text_of(name)
        return type(value[name]) == 'string' and value[name] or ''
    end
    local n = tonumber(value.n) or 0
    return {
        n = n >= 0 and n < 2 ^ 53 and n or 0,
        first_failed_at = text_of('first_failed_at'),
        last_failed_at = text_of('last_failed_at'),
        code = text_of('code'),
    }
end

local function write_attempts(attempts_key, id, attempts)
    redis.call('HSET', attempts_key, id, string.format(
        '{"n":%d,"first_failed_at":%s,"last_failed_at":%s,"code":%s}',
        attempts.n, cjson.encode(attempts.first_failed_at),
        cjson.encode(attempts.last_failed_at), cjson.encode(attempts.code)))
end
