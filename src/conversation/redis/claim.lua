-- Takes an intent, or says who has it.
-- KEYS: claim, twins (or claim again), conversation (or claim again), unsent (or claim again), what an older Callgate
--   called the claim (or claim again)
-- ARGV: holder, arguments, is_write, keep, twin window, lease, action, most calls (or -1), has twin, has conversation,
--   what begins the name of every claim of the slot, the claim's own part of it, time under way, most twins,
--   request, content, trust ('unique', 'looks_unique', 'may_repeat', 'per_request'), only looks, the call as
--   begin_in_course takes it, most recent calls, the older claim's own part of its name, turn (or 0)
--   (all times in ms)
--
-- claim: hash of holder, arguments, is_write, phase ('claimed', 'sending', 'ended'), lease (until when its holder is
--   known to live), is_counted, is_orphan, ended, window, result (JSON), request, content, turn, and
--   by the course of its conversation began and ended_at_step; first and earlier, as they were answered
-- conversation: see change.lua, and for its course common.lua
-- twins: list of the own parts of claims of the same write, the latest first
-- unsent: hash of own part -> action of claims that count, where so many may begin, and are not sent yet

-- The latest write of the twin, if it is under way for another request, or if its caller is gone and its end is not
-- long ago.
local function unanswered_twin(twins, claims, own, request, time)
  for _, part in ipairs(redis.call('LRANGE', twins, 0, -1)) do
    local twin = redis.call('HMGET', claims .. part, 'phase', 'is_orphan', 'ended', 'window', 'lease', 'is_write', 'request')
    local is_held = twin[5] and tonumber(twin[5]) > time
    -- One whose holder is gone without sending it was none: the one before it counts.
    if part ~= own and twin[1] and (twin[1] ~= 'claimed' or is_held) then
      local is_lost = twin[1] == 'sending' and twin[6] == '1' and not is_held
      local is_orphan = twin[2] == '1'
        and (twin[1] ~= 'ended' or tonumber(twin[3]) + tonumber(twin[4]) >= time)
      local is_under_way = twin[1] ~= 'ended' and is_held and twin[7] ~= request
      return (is_lost or is_orphan or is_under_way) and part or nil
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
local has_conversation = ARGV[10] == '1' and redis.call('EXISTS', KEYS[3]) == 1
local course = has_conversation and read_course(KEYS[3]) or {}
local is_trusted = ARGV[17] == 'unique' or ARGV[17] == 'looks_unique' and not course.ids_repeat

-- Whether a claim of an ended call whose answer was delivered is a new call.
local function is_new(known)
  if is_trusted or not has_conversation or known[6] == '1' then return false end
  local has_come_between = false
  for _, one in ipairs({course.last, course.other}) do
    local is_of_same_turn = ARGV[22] ~= '0' and one.turn == ARGV[22]
    local is_of_another_request = one.request ~= ARGV[15] and one.request ~= known[10] and not is_of_same_turn
    if one.content ~= ARGV[16] and is_of_another_request and one.began > tonumber(known[8] or '0') then
      has_come_between = true
    end
  end
  local may_be_late = known[3] ~= '1' or ARGV[17] == 'per_request' or course.ids_repeat
  return has_come_between or may_be_late and tonumber(known[7]) + ARGV[5] < time
end

local function look(key)
  return redis.call('HMGET', key, 'phase', 'lease', 'is_write', 'result', 'is_counted', 'is_orphan', 'ended',
    'ended_at_step', 'arguments', 'request', 'holder', 'first', 'earlier')
end

local known = look(KEYS[1])
local is_counted = '0'
local is_older = false
if not known[1] and KEYS[5] ~= KEYS[1] then
  known = look(KEYS[5])
  is_older = known[1] and known[9] == ARGV[2]
  if not is_older then known = {} end
end
if known[1] then
  -- The same command again: a cluster's client repeats one whose answer was lost.
  if known[1] == 'claimed' and known[11] == ARGV[1] and ARGV[18] ~= '1' then
    if known[12] ~= '' then return {'twin', known[12]} end
    return {'fresh', known[13]}
  end
  if known[1] == 'ended' then
    if not is_new(known) then return {'settled', known[4]} end
  else
    if tonumber(known[2]) > time then return is_older and {'twin', ARGV[21]} or {'under_way'} end
    -- Its holder is gone. What was not sent is taken over, and so is a read.
    if known[1] == 'sending' and known[3] == '1' then return {'lost'} end
    if not is_older then is_counted = known[5] end
  end
end
if ARGV[18] == '1' then return {'fresh', '0'} end

local first
if ARGV[9] == '1' then first = unanswered_twin(KEYS[2], ARGV[11], ARGV[12], ARGV[15], time) end

if not first and has_conversation and is_counted == '0' then
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

local earlier, began = 0, 0
if not first and has_conversation then
  if not is_trusted then earlier = course.now end
  began = begin_in_course(KEYS[3], course, ARGV[19], tonumber(ARGV[20]))
end

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'arguments', ARGV[2], 'is_write', ARGV[3], 'phase', 'claimed',
  'lease', whole(time + ARGV[6]), 'is_counted', is_counted, 'is_orphan', '0', 'window', ARGV[5], 'request', ARGV[15],
  'content', ARGV[16], 'turn', ARGV[22], 'began', whole(began), 'first', first or '', 'earlier', whole(earlier))
redis.call('PEXPIRE', KEYS[1], whole(ARGV[4] + ARGV[13]))
if first then return {'twin', first} end
if ARGV[9] == '1' then
  redis.call('LREM', KEYS[2], 0, ARGV[12])
  redis.call('LPUSH', KEYS[2], ARGV[12])
  redis.call('LTRIM', KEYS[2], 0, ARGV[14] - 1)
  redis.call('PEXPIRE', KEYS[2], whole(ARGV[4] + ARGV[13]))
end
return {'fresh', whole(earlier)}
