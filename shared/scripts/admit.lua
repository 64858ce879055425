-- What has to be known before sessions are let in: for each, when it was revoked and where its event log stands.
--
-- KEYS  per session: 1-3 revocations of session, user and organisation (strings)  4 head (hash)  5 inputs (hash)
--       6 log (stream)
-- Returns per session {{at, at, at}, {index, epoch, run, first, mode}, {body, ...}, id of the oldest entry or nil}.
local answers = {}
for i = 1, #KEYS, 6 do
  local oldest = redis.call('XRANGE', KEYS[i + 5], '-', '+', 'COUNT', 1)[1]
  answers[#answers + 1] = {
    redis.call('MGET', KEYS[i], KEYS[i + 1], KEYS[i + 2]),
    redis.call('HMGET', KEYS[i + 3], 'index', 'epoch', 'run', 'first', 'mode'),
    redis.call('HVALS', KEYS[i + 4]),
    oldest and oldest[1] or false,
  }
end
return answers
