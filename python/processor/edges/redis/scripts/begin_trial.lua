-- Counts a trial before it begins, and renews its lease: a process that dies in it has left word.
-- An entry whose trials were survived by nobody so many times becomes a dead letter instead.
-- KEYS: stream, attempts, dead letters.
-- ARGV: group, instance, now, most failures, consumer; then id, stage, code and error of the failure that the
-- trial is until it ends.
-- Reply: {fate, failures}.
local names = {
    stream = KEYS[1], attempts = KEYS[2], dead_letters = KEYS[3],
    group = ARGV[1], instance = ARGV[2], now = ARGV[3],
}
local attempts_max, consumer = tonumber(ARGV[4]), ARGV[5]
local failure = {
    id = ARGV[6], failed_at = names.now, stage = ARGV[7], code = ARGV[8], error = ARGV[9], sqlstate = '',
}

local leased, lost = lease(names.stream, names.group, consumer, {failure.id})
if #lost > 0 then
    redis.call('HDEL', names.attempts, failure.id)
    return {'lost', 0}
end
if #leased == 0 then
    return {'taken_over', 0}
end
local recorded = read_attempts(names.attempts, failure.id)
if recorded.n >= attempts_max then
    local row = pending_row(names.stream, names.group, failure.id)
    bury(names, failure, fields_of(names, failure.id), deliveries_of(row), recorded, recorded.n)
    return {'dead_lettered', recorded.n}
end
count_failure(names, failure, recorded, recorded.n + 1)
return {'left_pending', recorded.n + 1}
