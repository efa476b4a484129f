-- Begins every script. Times are milliseconds since 1970 by the server's clock.

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

-- A call has not begun after all. The conversation may be gone, or another one.
local function uncount(conversation, action)
  local begun = redis.call('HGET', conversation, 'b:' .. action)
  if begun and tonumber(begun) > 0 then redis.call('HINCRBY', conversation, 'b:' .. action, -1) end
end
