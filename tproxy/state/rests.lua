-- Quotas in Redis or Valkey: what a budget has learned from 429s. The rules are those of
-- rests.py.

local FIRST_REST, PROBED = 1, 2

local function read_rest(packed, position)
  local rest = {['until'] = -1, begun = -1, guess = 0, forgotten_at = -1, probed_at = -1,
    probe_until = -1, probe = ''}
  if packed and position <= #packed then
    local ends
    rest['until'], rest.begun, rest.guess, rest.forgotten_at, rest.probed_at,
      rest.probe_until, ends = struct.unpack('<dddddd', packed, position)
    rest.probe = string.sub(packed, ends)
  end
  return rest
end

local function rest_wait(rest)
  return until_(math.max(rest['until'], rest.probe_until))
end

-- Nothing, where nothing of it matters any more.
local function packed_rest(rest)
  if rest_wait(rest) == 0 and (rest.guess == 0 or now >= rest.forgotten_at) then
    return ''
  end
  return struct.pack('<dddddd', rest['until'], rest.begun, rest.guess,
    rest.forgotten_at, rest.probed_at, rest.probe_until) .. rest.probe
end

local function set_back(rest, seconds)
  for _, moment in ipairs({'until', 'begun', 'forgotten_at', 'probed_at', 'probe_until'}) do
    rest[moment] = rest[moment] - seconds
  end
end

local function forget(rest)
  if now >= rest.forgotten_at then
    rest.guess, rest.probe = 0, ''
  end
end

local function begin_rest(rest, seconds, longest)
  if seconds then
    rest['until'], rest.begun = math.max(rest['until'], now + seconds), now
  elseif rest_wait(rest) == 0 then
    forget(rest)
    rest.guess = math.min(math.max(2 * rest.guess, FIRST_REST), longest)
    rest['until'], rest.begun, rest.probe = now + rest.guess, now, ''
    rest.forgotten_at = rest['until'] + longest
  end
end

local function admit(rest, lease)
  forget(rest)
  if rest.guess > 0 and rest.probe == '' then
    rest.probe, rest.probed_at, rest.probe_until = lease, now, now + PROBED
  end
end

local function end_probe(rest, lease, since, served)
  if rest.probe == '' or since < rest.probed_at then
    return
  end
  if served then
    rest.guess = 0
  end
  if served or lease == rest.probe then
    rest.probe, rest.probe_until = '', -1
  end
end
