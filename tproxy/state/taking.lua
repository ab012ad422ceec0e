-- Quotas in Redis or Valkey: the shortest way to what is asked for most. It leaves to
-- ledger.lua, having written nothing, whatever is not as usual: a limit that has no room
-- or is shared, a budget that rests, is new, or has to let go of something first.

-- The counter with so much more in flight, and how it stands; nil: not as usual.
local function added(packed, usable, amount, kind, seconds)
  if not packed then
    return nil
  end
  local used, flight, start, ends, idle, position = struct.unpack('<ddddd', packed)
  local extra, extra_until, heard_at, drift, more, tail = 0, -1, -1, 0, 0, ''
  if position <= #packed then
    tail = string.sub(packed, position)
    extra, extra_until, heard_at, drift = struct.unpack('<dddd', tail)
    more = now < extra_until and extra or 0
  end
  flight, idle = flight + amount, flight == 0 and now or idle
  local empty = kind == FIRST_USE and used == 0
  if used + flight + more > usable or flight <= 0 or (now >= ends and not empty)
      or (kind == FIXED and now < start) then
    return nil
  end
  local resets_in = (kind == ROLLING or empty) and seconds or
    (kind == FIRST_USE and start + seconds or ends) - now
  if more > 0 then
    resets_in = math.max(resets_in, extra_until - now)
  end
  return struct.pack('<ddddd', used, flight, start, ends, idle) .. tail,
    struct.pack('<ddddd', used + flight, more, resets_in, now - heard_at, drift)
end

-- What is to be written to one budget, and how it stands then; nil: not as usual.
local function reserved(hash, said, expires)
  local _, most, share, first = struct.unpack('<ddd', said)
  if share >= 0 then
    return nil
  end
  local names, position, key = {'B'}, first, nil
  while position <= #said do
    key, position = struct.unpack('<s', said, position)
    names[#names + 1], position = key, position + LIMIT
  end
  local values = redis.call('HMGET', hash, unpack(names))
  if not values[1] then
    return nil
  end
  local touched, kept, held, sweep_at, rest = struct.unpack('<dddd', values[1])
  if rest <= #values[1] or now < touched or now - kept > KEEP_EVERY or now >= sweep_at
      or (most >= 0 and held >= most) then
    return nil
  end
  held, sweep_at = held + 1, math.min(sweep_at, expires)
  local sizes, fields = {}, {hash, 'B', struct.pack('<dddd', now, kept, held, sweep_at)}
  local standing, number = {struct.pack('<dddd', 0, now, held, 0)}, 1
  position = first
  while position <= #said do
    local usable, amount, kind, seconds
    key, usable, amount, kind, seconds = struct.unpack('<sdddd', said, position)
    number, position = number + 1, position + #key + 1 + LIMIT
    local packed, figures = added(values[number], usable, amount, kind, seconds)
    if not packed then
      return nil
    end
    sizes[key], standing[number] = amount, figures
    fields[#fields + 1] = key
    fields[#fields + 1] = packed
  end
  fields[#fields + 1] = 'L' .. ask.lease
  fields[#fields + 1] = cmsgpack.pack({since = now, expires = expires, sizes = sizes})
  return fields, table.concat(standing)
end

local function taken_shortly()
  local expires, writes = now + ask.seconds, {}
  local state = {struct.pack('<d', now), epoch, 0}
  for i = 1, #KEYS - 2 do
    writes[i], state[i + 3] = reserved(KEYS[i + 2], ARGV[i + 1], expires)
    if not writes[i] then
      return nil
    end
  end
  for _, fields in ipairs(writes) do
    redis.call('HSET', unpack(fields))
  end
  state[3] = redis.call('ZCARD', KEYS[2])
  return {{'taken'}, state}
end

local reply = ask.what == 'take' and not ask.alive and taken_shortly()
if reply then
  return reply
end
