-- Takes the record of a trial back, unless the trial ended in a failure, which replaced its record.
-- KEYS: attempts. ARGV: id, the code of a trial.
-- Reply: 1 if something was taken back, else 0.
local id, trial_code = ARGV[1], ARGV[2]
local recorded = read_attempts(KEYS[1], id)
if recorded.code ~= trial_code then
    return 0
end
recorded.n = recorded.n - 1
if recorded.n > 0 then
    write_attempts(KEYS[1], id, recorded)
else
    redis.call('HDEL', KEYS[1], id)
end
return 1
