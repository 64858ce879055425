-- Append batches of events to logs of conversations: each all or nothing, in order, stored before published.
--
-- ARGV  1 expiry (s)  2 entries kept  3 epoch to use for logs that are new
-- then per batch, of which one that fails leaves the others alone:
-- KEYS  1 head (hash: index, epoch, run, first, mode)   2 log (stream, ids <index>-0, field b)
--       3 inputs (hash: inputId -> body)                4 run (hash: attempt, seq, keep, ended, cancel, steer)
-- ARGV  1 channel  2 run id, or '' for a writer without a run  3 attempt (the fence)
--       4 seq: events of this attempt the writer has appended before  5 number of events
--       then per event: an operation and the body
-- Operations: '' plain, 'first' the run's first event, 'keep' what a restart keeps, 'end' the run's terminal event,
--       'mode:<mode>', 'ask:<inputId>', 'close:<inputId>'.
-- Returns per batch {index of the last event, cancelled}. A repeated call (same seq) appends nothing: a writer whose
-- connection broke may ask again. Or it returns a text: FENCED another attempt owns the run, ENDED the run has its
-- terminal event, or what Redis could not do.
local expiry, kept, new_epoch = ARGV[1], ARGV[2], ARGV[3]

local function operate(operation, head, inputs, state, run, index, body)
  local kind, detail = string.match(operation, '^(%a+):?(.*)$')
  if kind == 'first' then
    redis.call('HSET', head, 'run', run, 'first', index)
  elseif kind == 'keep' then
    redis.call('HSET', state, 'keep', index)
  elseif kind == 'end' then
    redis.call('HSET', state, 'ended', index)
    if redis.call('HGET', head, 'run') == run then redis.call('HDEL', head, 'run', 'first') end
  elseif kind == 'mode' then
    redis.call('HSET', head, 'mode', detail)
  elseif kind == 'ask' then
    redis.call('HSET', inputs, detail, body)
  elseif kind == 'close' then
    redis.call('HDEL', inputs, detail)
  end
end

local function append(key, at)
  local head, log, inputs, state = KEYS[key], KEYS[key + 1], KEYS[key + 2], KEYS[key + 3]
  local run, attempt, seq, count = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local cancelled = 0
  if run ~= '' then
    local known = redis.call('HMGET', state, 'attempt', 'seq', 'ended', 'cancel')
    if known[1] and tonumber(known[1]) > attempt then return 'FENCED' end
    if known[4] then cancelled = 1 end
    if known[1] and tonumber(known[1]) == attempt and known[2] and tonumber(known[2]) >= seq + count then
      return {tonumber(redis.call('HGET', head, 'index') or 0), cancelled}
    end
    if known[3] then return 'ENDED' end
    redis.call('HSET', state, 'attempt', attempt, 'seq', seq + count)
  end
  local now = redis.call('HMGET', head, 'index', 'epoch')
  local index, epoch = tonumber(now[1] or 0), now[2]
  if not now[1] then redis.call('DEL', log, inputs) end
  if not epoch then
    epoch = new_epoch
    redis.call('HSET', head, 'epoch', epoch)
  end
  local lines = {epoch .. ' ' .. (index + 1)}
  for i = at + 5, at + 3 + 2 * count, 2 do
    local operation, body = ARGV[i], ARGV[i + 1]
    index = index + 1
    redis.call('XADD', log, 'MAXLEN', '~', kept, index .. '-0', 'b', body)
    lines[#lines + 1] = body
    if operation ~= '' then operate(operation, head, inputs, state, run, index, body) end
  end
  redis.call('HSET', head, 'index', index)
  redis.call('EXPIRE', head, expiry)
  redis.call('EXPIRE', log, expiry)
  redis.call('EXPIRE', inputs, expiry)
  if run ~= '' then redis.call('EXPIRE', state, expiry) end
  redis.call('PUBLISH', ARGV[at], table.concat(lines, '\n'))
  return {index, cancelled}
end

local answers, at = {}, 4
for key = 1, #KEYS, 4 do
  local done, answer = pcall(append, key, at)
  if not done and type(answer) == 'table' then answer = answer.err end
  answers[#answers + 1] = done and answer or tostring(answer)
  at = at + 5 + 2 * tonumber(ARGV[at + 4])
end
return answers
