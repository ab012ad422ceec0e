-- Quotas in Redis or Valkey: what one class of clients leaves of a limit to the other.
-- The rules are those of shares.py.
--
-- A limit that is shared has a counter for each class, named as its own with "|high" or
-- "|rest" behind, and a field with "D" before its name for what each has asked for.

local CLASSES = {'|rest', '|high'}
local CLASS, OTHER = '|rest', '|high'  -- who asks, and who does not
if ask.high then
  CLASS, OTHER = OTHER, CLASS
end

local function read_demands(packed)
  local rest, high = {ends = -1, asked = 0, before = 0}, {ends = -1, asked = 0, before = 0}
  if packed then
    rest.ends, rest.asked, rest.before, high.ends, high.asked, high.before =
      struct.unpack('<dddddd', packed)
  end
  return {['|rest'] = rest, ['|high'] = high}
end

local function packed_demands(demands)
  local rest, high = demands['|rest'], demands['|high']
  return struct.pack('<dddddd', rest.ends, rest.asked, rest.before,
    high.ends, high.asked, high.before)
end

local function add_demand(demand, amount, seconds)
  if now >= demand.ends then
    local follows = now < demand.ends + seconds
    demand.before = follows and demand.asked or 0
    demand.ends = seconds + (follows and demand.ends or now)
    demand.asked = 0
  end
  demand.asked = demand.asked + amount
end

local function asked_in_span(demand)
  return now < demand.ends and demand.asked or 0
end

local function asked_at(demand, moment, seconds)
  if moment < demand.ends then
    return math.max(demand.asked, demand.before)
  end
  return moment < demand.ends + seconds and demand.asked or 0
end

-- What all of this class may have, of which `amount` more is wanted, where the other
-- class asks for `asked`.
local function bound(limit, asked)
  local usable = math.max(limit.usable - limit.counter:more(), 0)
  local high = math.floor(usable * limit.share + 0.5)
  local own, kept = usable - high, high
  if ask.high then
    own, kept = kept, own
  end
  local most = usable - math.min(kept, asked)
  return own > 0 and math.max(most, limit.amount) or most
end

-- Seconds until the part of this class has room.
local function share_wait(limit)
  local own, others = limit.classes[CLASS], limit.demands[OTHER]
  local most = bound(limit, asked_at(others, now, limit.seconds))
  if limit.amount == 0 or own:taken() + limit.amount <= most then
    return 0
  end
  local wait = own:wait(limit.amount, most)
  for _, moment in ipairs({others.ends, others.ends + limit.seconds}) do
    if now < moment then
      most = bound(limit, asked_at(others, moment, limit.seconds))
      wait = math.min(wait, math.max(moment - now, own:wait(limit.amount, most)))
    end
  end
  return wait
end
