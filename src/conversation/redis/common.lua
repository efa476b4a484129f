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

-- The course of a conversation: the rules of course.rs. Its fields are '@now'; '@last' and '@other'
-- ('<content>:<request>:<began>:<turn>', without the turn as an older Callgate wrote it); '@ids_repeat'; '@recent' (16 hexadecimal digits for each call, the last last).

local function past(field)
  local content, request, began, turn = string.match(field or '', '^(%d+):(%d+):(%d+):?(%d*)$')
  return {content = content, request = request, began = tonumber(began or '0'), turn = turn}
end

local function read_course(conversation)
  local fields = redis.call('HMGET', conversation, '@now', '@last', '@other', '@ids_repeat', '@recent')
  return {now = tonumber(fields[1] or '0'), last = past(fields[2]), other = past(fields[3]),
    ids_repeat = fields[4] == '1', recent = fields[5] or ''}
end

-- A call begins; gives when. `call` is 16 hexadecimal digits, the first half of which stand for its id, or ''.
local function begin_in_course(conversation, course, call, most)
  if call ~= '' then
    local kept = {}
    for one in string.gmatch(course.recent, string.rep('%x', 16)) do
      if string.sub(one, 1, 8) == string.sub(call, 1, 8) and one ~= call then course.ids_repeat = true end
      if one ~= call then kept[#kept + 1] = one end
    end
    kept[#kept + 1] = call
    while #kept > most do table.remove(kept, 1) end
    redis.call('HSET', conversation, '@recent', table.concat(kept), '@ids_repeat', course.ids_repeat and '1' or '0')
  end
  redis.call('HSET', conversation, '@now', whole(course.now + 1))
  return course.now + 1
end

-- A call that began at `began` ends; gives when.
local function end_in_course(conversation, content, request, turn, began)
  local course = read_course(conversation)
  local text = content .. ':' .. request .. ':' .. whole(began) .. ':' .. turn
  if content == course.last.content or course.last.began == 0 then
    if began > course.last.began then redis.call('HSET', conversation, '@last', text) end
  elseif began > course.last.began then
    local former = redis.call('HGET', conversation, '@last')
    redis.call('HSET', conversation, '@last', text, '@other', former)
  elseif began > course.other.began then
    redis.call('HSET', conversation, '@other', text)
  end
  redis.call('HSET', conversation, '@now', whole(course.now + 1))
  return course.now + 1
end
