-- Changes a conversation: the rules of `Conversation::apply`, in record.rs.
--
-- conversation: hash of '@started', '@ttl', '@ended', '@state', '@bytes', '@events' (number of the newest), '@turn_bytes' (see add_turn.lua),
--   'v:<name>' ('<bytes>:<JSON of the variable>'), 'b:<action>' (calls begun), 's:<action>' (calls succeeded)
-- concealed: sorted set of texts by length; stream: of entries, each under the number of its last event: 'n' (how many it makes) and 'd' (its text), or as an older
--   Callgate wrote it, one event each: 'k' (kind), 't' (time) and 'd' (data)
-- change: {unset: [name], set: [[name, bytes, record, [text]]], state, succeeded, finish, open, entries: [[count, text]],
--   strict (all of it or nothing), broken (variables have been refused already)}
-- limits: {bytes, variables, concealed, events}
--
-- Gives {2} where it had ended before, and was to end now or to be open, else {is_known, name, reason, detail, name, reason, detail, ...} of the refused variables.

local function stored_bytes(conversation, name)
  local field = redis.call('HGET', conversation, 'v:' .. name)
  return field and tonumber(string.match(field, '^(%d+):')) or 0
end

local function change_variables(conversation, concealed, change, limits)
  local gone, known, below, count = {}, {}, {}, 0
  local bytes = tonumber(redis.call('HGET', conversation, '@bytes') or '0')

  local function add(name)
    known[name] = true
    count = count + 1
    local at = string.find(name, '.', 1, true)
    while at do
      local parent = string.sub(name, 1, at - 1)
      if not below[parent] or name < below[parent] then below[parent] = name end
      at = string.find(name, '.', at + 1, true)
    end
  end

  local function relative(name)
    local at = string.find(name, '.', 1, true)
    while at do
      local parent = string.sub(name, 1, at - 1)
      if known[parent] then return parent end
      at = string.find(name, '.', at + 1, true)
    end
    return below[name]
  end

  for _, name in ipairs(change.unset) do gone[name] = true end
  for _, field in ipairs(redis.call('HKEYS', conversation)) do
    if string.sub(field, 1, 2) == 'v:' then
      local name = string.sub(field, 3)
      if gone[name] then bytes = bytes - stored_bytes(conversation, name) else add(name) end
    end
  end

  local refused, writes, texts = {}, {}, {}
  for _, variable in ipairs(change.set) do
    local name, size = variable[1], variable[2]
    local other = relative(name)
    local old = 0
    if writes[name] then old = writes[name].size
    elseif known[name] then old = stored_bytes(conversation, name) end
    local reason
    if other then reason = 'conflict'
    elseif not known[name] and count >= limits.variables then reason = 'many'
    elseif bytes - old + size > limits.bytes then reason = 'large' end
    if reason then
      refused[#refused + 1] = name
      refused[#refused + 1] = reason
      refused[#refused + 1] = other or ''
    else
      bytes = bytes - old + size
      if not known[name] then add(name) end
      writes[name] = {size = size, record = variable[3]}
      for _, text in ipairs(variable[4]) do texts[#texts + 1] = text end
    end
  end
  if change.strict and (change.broken or #refused > 0) then return refused, false end

  for name in pairs(gone) do redis.call('HDEL', conversation, 'v:' .. name) end
  for name, write in pairs(writes) do
    redis.call('HSET', conversation, 'v:' .. name, whole(write.size) .. ':' .. write.record)
  end
  redis.call('HSET', conversation, '@bytes', whole(bytes))
  for _, text in ipairs(texts) do redis.call('ZADD', concealed, #text, text) end
  if #texts > 0 then redis.call('ZREMRANGEBYRANK', concealed, 0, -(limits.concealed + 1)) end
  return refused, true
end

local function apply(conversation, concealed, stream, turns, change, limits)
  local ttl = redis.call('HGET', conversation, '@ttl')
  if not ttl then return {0} end
  if (change.finish or change.open) and redis.call('HEXISTS', conversation, '@ended') == 1 then return {2} end
  local answer = {1}
  local is_made = true
  if change.broken or #change.unset > 0 or #change.set > 0 then
    local refused
    refused, is_made = change_variables(conversation, concealed, change, limits)
    for _, part in ipairs(refused) do answer[#answer + 1] = part end
  end
  if is_made then
    if change.state then redis.call('HSET', conversation, '@state', change.state) end
    if change.succeeded then redis.call('HINCRBY', conversation, 's:' .. change.succeeded, 1) end
    if change.finish then redis.call('HSETNX', conversation, '@ended', whole(now())) end
    for _, entry in ipairs(change.entries) do
      local newest = redis.call('HINCRBY', conversation, '@events', entry[1])
      local oldest = whole(newest - limits.events + 1)
      if newest > limits.events then
        redis.call('XADD', stream, 'MINID', '=', oldest, whole(newest) .. '-0', 'n', entry[1], 'd', entry[2])
      else
        redis.call('XADD', stream, whole(newest) .. '-0', 'n', entry[1], 'd', entry[2])
      end
    end
  end
  for _, key in ipairs({conversation, concealed, stream, turns}) do redis.call('PEXPIRE', key, ttl) end
  return answer
end
