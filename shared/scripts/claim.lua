-- Take the fence of a run: from now on only this attempt may append.
--
-- KEYS  1 run (hash)      ARGV  1 attempt  2 expiry (s)
-- Returns {ended index or 0, index a restart keeps or 0, cancelled 0|1, steered 0|1}. Error: FENCED by a newer attempt.
local state = redis.call('HMGET', KEYS[1], 'attempt', 'ended', 'keep', 'cancel', 'steer')
if state[1] and tonumber(state[1]) > tonumber(ARGV[1]) then return redis.error_reply('FENCED') end
if not state[1] or tonumber(state[1]) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'attempt', ARGV[1], 'seq', 0)
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {tonumber(state[2] or 0), tonumber(state[3] or 0), state[4] and 1 or 0, state[5] and 1 or 0}
