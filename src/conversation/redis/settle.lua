-- Keeps a result, and makes the change that comes with it.
-- KEYS: claim, then conversation, concealed, stream and turns where there is one, and unsent where the claim stands in it
-- ARGV: holder, result, keep, change, limits, the claim's own part of its name

local known = redis.call('HMGET', KEYS[1], 'holder', 'phase', 'content', 'request', 'began', 'turn')
if known[1] == ARGV[1] then
  -- Sent again because the answer was lost: all of it is done already.
  if known[2] == 'ended' then return {1} end
  local step = 0
  if KEYS[2] and redis.call('EXISTS', KEYS[2]) == 1 then
    local began = tonumber(known[5] or '0')
    -- One that only waited for its twin has not begun.
    step = began > 0 and end_in_course(KEYS[2], known[3], known[4], known[6] or '0', began) or read_course(KEYS[2]).now
  end
  redis.call('HSET', KEYS[1], 'phase', 'ended', 'result', ARGV[2], 'ended', whole(now()), 'ended_at_step', whole(step))
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  if KEYS[6] then redis.call('HDEL', KEYS[6], ARGV[6]) end
end
if not KEYS[2] then return {0} end
return apply(KEYS[2], KEYS[3], KEYS[4], KEYS[5], cjson.decode(ARGV[4]), cjson.decode(ARGV[5]))
