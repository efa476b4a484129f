-- Takes an intent, or says who has it.
-- KEYS: claim, twins (or claim again), conversation (or claim again), unsent (or claim again)
-- ARGV: holder, arguments, is_write, keep, twin window, lease, action, most calls (or -1), has twin, has conversation,
--   what begins the name of every claim of the slot, the claim's own part of it, time under way, most twins
--   (all times in ms)
--
-- claim: hash of holder, arguments, is_write, phase ('claimed', 'sending', 'ended'), lease (until when its holder is
--   known to live), is_counted, is_orphan, ended, window, result (JSON)
-- twins: list of the own parts of claims of the same write, the latest first
-- unsent: hash of own part -> action of claims that count, where so many may begin, and are not sent yet

-- The latest write of the twin, where its caller is gone and its end is not long ago.
local function lost_twin(twins, claims, own, time)
  for _, part in ipairs(redis.call('LRANGE', twins, 0, -1)) do
    local twin = redis.call('HMGET', claims .. part, 'phase', 'is_orphan', 'ended', 'window', 'lease', 'is_write')
    local is_held = twin[5] and tonumber(twin[5]) > time
    -- One whose holder is gone without sending it was none: the one before it counts.
    if part ~= own and twin[1] and (twin[1] ~= 'claimed' or is_held) then
      local is_lost = twin[1] == 'sending' and twin[6] == '1' and not is_held
      local is_orphan = twin[2] == '1'
        and (twin[1] ~= 'ended' or tonumber(twin[3]) + tonumber(twin[4]) >= time)
      return (is_lost or is_orphan) and part or nil
    end
  end
end

-- Takes back what holders that are gone have begun and not sent: it does not count.
local function take_back(conversation, unsent, claims, action, time)
  local entries = redis.call('HGETALL', unsent)
  for at = 1, #entries, 2 do
    local part = entries[at]
    local known = redis.call('HMGET', claims .. part, 'phase', 'lease')
    local is_unsent = not known[1] or known[1] == 'claimed'
    local is_held = known[2] and tonumber(known[2]) > time
    if entries[at + 1] == action and not (is_unsent and is_held) then
      redis.call('HDEL', unsent, part)
      if is_unsent then
        redis.call('DEL', claims .. part)
        uncount(conversation, action)
      end
    end
  end
end

local function begun(conversation, action)
  return tonumber(redis.call('HGET', conversation, 'b:' .. action) or '0')
end

local time = now()
local known = redis.call('HMGET', KEYS[1], 'phase', 'arguments', 'lease', 'is_write', 'result', 'is_counted')
local is_counted = '0'
if known[1] then
  if known[2] ~= ARGV[2] then return {'other'} end
  if known[1] == 'ended' then return {'settled', known[5]} end
  if tonumber(known[3]) > time then return {'under_way'} end
  -- Its holder is gone. What was not sent is taken over, and so is a read.
  if known[1] == 'sending' and known[4] == '1' then return {'lost'} end
  is_counted = known[6]
end

local first
if ARGV[9] == '1' then first = lost_twin(KEYS[2], ARGV[11], ARGV[12], time) end

if not first and ARGV[10] == '1' and is_counted == '0' and redis.call('EXISTS', KEYS[3]) == 1 then
  local most = tonumber(ARGV[8])
  if most >= 0 then
    if begun(KEYS[3], ARGV[7]) >= most then take_back(KEYS[3], KEYS[4], ARGV[11], ARGV[7], time) end
    if begun(KEYS[3], ARGV[7]) >= most then return {'many'} end
    redis.call('HSET', KEYS[4], ARGV[12], ARGV[7])
    redis.call('PEXPIRE', KEYS[4], redis.call('HGET', KEYS[3], '@ttl'))
  end
  redis.call('HINCRBY', KEYS[3], 'b:' .. ARGV[7], 1)
  is_counted = '1'
end

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'arguments', ARGV[2], 'is_write', ARGV[3], 'phase', 'claimed',
  'lease', whole(time + ARGV[6]), 'is_counted', is_counted, 'is_orphan', '0', 'window', ARGV[5])
redis.call('PEXPIRE', KEYS[1], whole(ARGV[4] + ARGV[13]))
if first then return {'twin', first} end
if ARGV[9] == '1' then
  redis.call('LREM', KEYS[2], 0, ARGV[12])
  redis.call('LPUSH', KEYS[2], ARGV[12])
  redis.call('LTRIM', KEYS[2], 0, ARGV[14] - 1)
  redis.call('PEXPIRE', KEYS[2], whole(ARGV[4] + ARGV[13]))
end
return {'fresh'}
