-- Append a batch of events to one conversation's log: all of them or none, in order, stored before published.
--
-- KEYS  1 head (hash: index, epoch, run, first, mode)   2 log (stream, ids <index>-0, field b)
--       3 inputs (hash: inputId -> body)                4 run (hash: attempt, seq, keep, ended, cancel, steer)
-- ARGV  1 channel  2 expiry (s)  3 entries kept  4 epoch to use if the log is new
--       5 run id, or '' for a writer without a run      6 attempt (the fence)
--       7 seq: events of this attempt the writer has appended before
--       then per event: an operation and the body
-- Operations: '' plain, 'first' the run's first event, 'keep' what a restart keeps, 'end' the run's terminal event,
--       'mode:<mode>', 'ask:<inputId>', 'close:<inputId>'.
-- Returns {index of the last event, epoch, cancelled}. A repeated call (same seq) appends nothing: a writer whose
-- connection broke may ask again. Errors: FENCED another attempt owns the run, ENDED the run has its terminal event.
local run, attempt, seq = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local count = (#ARGV - 7) / 2
local cancelled = 0
if run ~= '' then
  local state = redis.call('HMGET', KEYS[4], 'attempt', 'seq', 'ended', 'cancel')
  if state[1] and tonumber(state[1]) > attempt then return redis.error_reply('FENCED') end
  if state[4] then cancelled = 1 end
  if state[1] and tonumber(state[1]) == attempt and state[2] and tonumber(state[2]) >= seq + count then
    local now = redis.call('HMGET', KEYS[1], 'index', 'epoch')
    return {tonumber(now[1] or 0), now[2] or '', cancelled}
  end
  if state[3] then return redis.error_reply('ENDED') end
  redis.call('HSET', KEYS[4], 'attempt', attempt, 'seq', seq + count)
end
local head = redis.call('HMGET', KEYS[1], 'index', 'epoch')
local index, epoch = tonumber(head[1] or 0), head[2]
if not head[1] then redis.call('DEL', KEYS[2], KEYS[3]) end
if not epoch then
  epoch = ARGV[4]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
local lines = {epoch .. ' ' .. (index + 1)}
for i = 8, #ARGV, 2 do
  local operation, body = ARGV[i], ARGV[i + 1]
  index = index + 1
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], index .. '-0', 'b', body)
  lines[#lines + 1] = body
  if operation ~= '' then
    local kind, detail = string.match(operation, '^(%a+):?(.*)$')
    if kind == 'first' then
      redis.call('HSET', KEYS[1], 'run', run, 'first', index)
    elseif kind == 'keep' then
      redis.call('HSET', KEYS[4], 'keep', index)
    elseif kind == 'end' then
      redis.call('HSET', KEYS[4], 'ended', index)
      if redis.call('HGET', KEYS[1], 'run') == run then redis.call('HDEL', KEYS[1], 'run', 'first') end
    elseif kind == 'mode' then
      redis.call('HSET', KEYS[1], 'mode', detail)
    elseif kind == 'ask' then
      redis.call('HSET', KEYS[3], detail, body)
    elseif kind == 'close' then
      redis.call('HDEL', KEYS[3], detail)
    end
  end
end
redis.call('HSET', KEYS[1], 'index', index)
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[2])
if run ~= '' then redis.call('EXPIRE', KEYS[4], ARGV[2]) end
redis.call('PUBLISH', ARGV[1], table.concat(lines, '\n'))
return {index, epoch, cancelled}
