-- The board in Redis or Valkey: notes in a hash, and one key for each name taken.
-- Moments are of the server's clock, as text, and so are seconds in replies.

local ask = cjson.decode(ARGV[1])
local now = ask.now
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end

-- Seconds after which nobody needs what nobody has renewed.
local KEEP_NOTES, KEEP_TAKEN = 7200, 60

local function text(number)
  return string.format('%.17g', number)
end

local commands = {}

function commands.post()
  if ask.said then
    redis.call('HSET', KEYS[1], ask.name, text(now) .. ' ' .. ask.said)
    redis.call('EXPIRE', KEYS[1], KEEP_NOTES)
  else
    redis.call('HDEL', KEYS[1], ask.name)
  end
  return {}
end

function commands.notes()
  local told = {}
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local at, said = string.match(all[i + 1], '^(%S+) (.*)$')
    told[#told + 1] = all[i]
    told[#told + 1] = said
    told[#told + 1] = text(math.max(now - tonumber(at), 0))
  end
  return told
end

-- A clock that went back makes no one wait.
function commands.take()
  local at = tonumber(redis.call('GET', KEYS[2]))
  if at and at <= now and now < at + ask.seconds then
    return {text(at + ask.seconds - now)}
  end
  redis.call('SET', KEYS[2], text(now), 'EX', math.ceil(ask.seconds) + KEEP_TAKEN)
  return {'0', text(now)}
end

function commands.give_back()
  if redis.call('GET', KEYS[2]) == ask.at then
    redis.call('DEL', KEYS[2])
  end
  return {}
end

return commands[ask.what]()
