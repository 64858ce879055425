-- Where logs of conversations stand. A log that is not there yet begins its epoch now.
--
-- KEYS  heads (hashes: index, epoch)      ARGV  1 expiry (s)  2 epoch to use for logs that are new
-- Returns per head '<epoch> <index>'.
local marks = {}
for i, key in ipairs(KEYS) do
  local row = redis.call('HMGET', key, 'index', 'epoch')
  local epoch = row[2]
  if not epoch then
    epoch = ARGV[2]
    redis.call('HSET', key, 'epoch', epoch)
    redis.call('EXPIRE', key, ARGV[1], 'NX')
  end
  marks[i] = epoch .. ' ' .. (row[1] or '0')
end
return marks
