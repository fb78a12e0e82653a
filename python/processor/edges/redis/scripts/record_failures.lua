-- Counts failures of records, each in one step; the last allowed one makes a dead letter.
-- KEYS: stream, attempts, dead letters.
-- ARGV: group, instance, now, most attempts; then id, time of the failure, stage, code, error, sqlstate,
-- on trial ('1' or '0') each.
-- Reply: {fate, attempts} each, in their order, or {'error', message} where Redis refused a command: that
-- entry stays pending, and the others are recorded all the same.
local ARGUMENTS = 7
local names = {
    stream = KEYS[1], attempts = KEYS[2], dead_letters = KEYS[3],
    group = ARGV[1], instance = ARGV[2], now = ARGV[3],
}
local attempts_max = tonumber(ARGV[4])

local function record(failure, on_trial)
    local row = pending_row(names.stream, names.group, failure.id)
    if not row then
        redis.call('HDEL', names.attempts, failure.id)
        return {'taken_over', 0}
    end
    local fields = fields_of(names, failure.id)
    if not fields then
        settle(names, failure.id)
        return {'lost', 0}
    end
    local recorded = read_attempts(names.attempts, failure.id)
    if recorded.last_failed_at == failure.failed_at and recorded.code == failure.code and not on_trial then
        -- It was recorded before, and the reply to that was lost.
        return {'left_pending', recorded.n}
    end
    local n = on_trial and math.max(recorded.n, 1) or recorded.n + 1
    if n < attempts_max or on_trial then
        -- For a trial also the last failure: if the dead letter is refused, the trial must not look unanswered.
        count_failure(names, failure, recorded, n)
    end
    if n < attempts_max then
        return {'left_pending', n}
    end
    make_dead_letter(names, failure, fields, deliveries_of(row), recorded, n)
    return {'dead_lettered', n}
end

local reply = {}
for i = 5, #ARGV, ARGUMENTS do
    local failure = {
        id = ARGV[i], failed_at = ARGV[i + 1], stage = ARGV[i + 2], code = ARGV[i + 3],
        error = ARGV[i + 4], sqlstate = ARGV[i + 5],
    }
    local done, result = pcall(record, failure, ARGV[i + 6] == '1')
    if not done then
        result = {'error', type(result) == 'table' and result.err or tostring(result)}
    end
    reply[#reply + 1] = result
end
return reply
