-- Quotas in Redis or Valkey: the leases in a book. The rules are those of ledger.py, and
-- what nodes know beyond a loss is told here as well.
--
-- One that expired is kept as late for an hour, with "E" before its id. Under "L?" stands
-- what was remembered, and for how many leases of it places are kept free.

local MOST_SWEPT, LATE_SECONDS, SPARED_SECONDS = 100, 3600, 5
local LEASE, LATE = string.byte('L'), string.byte('E')
local MEMORY = '?'

-- The lease; if it is late, it is held again, and what it took in flight.
function Book:lease(lease)
  local packed = redis.call('HGET', self.hash, 'L' .. lease)
  if packed then
    return cmsgpack.unpack(packed)
  end
  packed = redis.call('HGET', self.hash, 'E' .. lease)
  if not packed then
    return nil
  end
  local held = cmsgpack.unpack(packed)
  redis.call('HDEL', self.hash, 'E' .. lease)
  self.held = self.held + 1
  for _, each in self:flying(held) do
    local counter, reserved = each[2], each[3]
    if reserved ~= 0 and held.expires + counter.seconds > now then
      counter:take_back(held.expires, reserved)
    end
    counter.flight = counter.flight + reserved
    counter.idle = math.min(counter.idle, held.since)
  end
  return held
end

-- Where a lease is counted, by key what it has reserved, for all and for its class; and
-- whether that is used until the end, not at the head.
function Book:counted(held)
  local counted = {}
  for key, reserved in pairs(held.sizes) do
    local lasting = not string.find(key, '|requests', 1, true)
    counted[#counted + 1] = {key, self:counter(key), reserved, lasting}
    if held.class then
      local own = self:counter(key .. held.class)
      counted[#counted + 1] = {key, own, reserved, lasting}
    end
  end
  return ipairs(counted)
end

-- Those in which it is in flight: all, and once it was reached what is lasting.
function Book:flying(held)
  local flying = {}
  for _, each in self:counted(held) do
    if each[4] or not held.at then
      flying[#flying + 1] = each
    end
  end
  return ipairs(flying)
end

local function land(each, at, sent)
  local counter, reserved = each[2], each[3]
  counter.flight = counter.flight - reserved
  counter:place(at, reserved, sent)
end

function Book:reach(held, at)
  held.at = at
  for _, each in self:counted(held) do
    if not each[4] then
      land(each, at, held.since)
    end
  end
end

function Book:hold(lease, held)
  self.sweep_at = math.min(self.sweep_at, held.expires)
  redis.call('HSET', self.hash, 'L' .. lease, cmsgpack.pack(held))
end

-- Whether there is such a lease; `ago` is when it was reached, negative if it was not.
function Book:extend(lease, ago)
  local held = self:lease(lease)
  if held then
    held.expires = now + ask.seconds
    if ago >= 0 and not held.at then
      self:reach(held, now - ago)
    end
    self:hold(lease, held)
  end
  return held
end

function Book:rename(lease, name)
  local held = self:lease(lease)
  if held then
    redis.call('HDEL', self.hash, 'L' .. lease)
    self:hold(name, held)
  end
end

function Book:drop(lease, held, served)
  redis.call('HDEL', self.hash, 'L' .. lease)
  self.held = self.held - (held.places or 1)
  end_probe(self.rest, lease, held.since, served)
end

function Book:all_leases()
  local all, leases = redis.call('HGETALL', self.hash), {}
  for i = 1, #all, 2 do
    local kind, lease = string.byte(all[i]), string.sub(all[i], 2)
    if kind == LEASE then
      leases[#leases + 1] = {lease, cmsgpack.unpack(all[i + 1])}
    elseif kind == LATE then
      local held = cmsgpack.unpack(all[i + 1])
      if held.expires + LATE_SECONDS <= now then
        redis.call('HDEL', self.hash, all[i])
      end
    end
  end
  table.sort(leases, function(one, other) return one[2].expires < other[2].expires end)
  return leases
end

-- End leases that have expired, one after another: what they took is used, since their
-- last. Too many for once are left to the next call.
function Book:sweep()
  if now < self.touched then
    self:set_back(self.touched - now)
  end
  if now < self.sweep_at then
    return
  end
  local leases = self:all_leases()
  self.sweep_at = INF
  for i, each in ipairs(leases) do
    local lease, held = each[1], each[2]
    if held.expires > now or i > MOST_SWEPT then
      self.sweep_at = held.expires
      break
    end
    for _, one in self:flying(held) do
      land(one, held.expires, held.since)
    end
    self:drop(lease, held, false)
    if not held.places then
      redis.call('HSET', self.hash, 'E' .. lease, cmsgpack.pack(held))
    end
  end
end

-- Nobody could be asked for a while: give those who live the time to say so.
function Book:spare()
  for _, each in ipairs(self:all_leases()) do
    local lease, held = each[1], each[2]
    if held.expires < now + SPARED_SECONDS and not held.places then
      held.expires = now + SPARED_SECONDS
      self:hold(lease, held)
    end
  end
end

-- The server's clock was set back: nothing lasts for longer than it would have.
function Book:set_back(seconds)
  for _, each in ipairs(self:all_leases()) do
    local lease, held = each[1], each[2]
    held.since, held.expires = held.since - seconds, held.expires - seconds
    self:hold(lease, held)
  end
  set_back(self.rest, seconds)
  self.touched = now
end

function Book:memory()
  local packed = redis.call('HGET', self.hash, 'L' .. MEMORY)
  return packed and cmsgpack.unpack(packed) or
    {since = now, expires = now + ask.seconds, sizes = {}, told = {}, under_way = 0,
      places = 0}
end

-- What a node remembers of before a loss: the most that is told is true.
function Book:remember(limits, under_way, counts)
  local memory = self:memory()
  for j, limit in ipairs(limits) do
    local counter = limit.counter
    if counts[j] ~= cjson.null then
      local counted, seconds = counts[j][1], counts[j][2]
      local more = counter:more()
      local news = counted - (memory.told[limit.key] or more)
      if news > 0 then
        counter.extra_until = math.max(now + seconds, more > 0 and counter.extra_until or 0)
        counter.extra, counter.heard_at = more + news, now
        memory.told[limit.key] = counted
      end
    end
  end
  local news = math.max(under_way - memory.under_way, 0)
  memory.under_way, memory.places = memory.under_way + news, memory.places + news
  self.held = self.held + news
  self:hold(MEMORY, memory)
end

-- It is under way, whatever is left. What is remembered of it is not counted twice.
function Book:enter(lease, limits, ago, age, high, ...)
  local amounts, sizes, taken = {}, {}, {}
  amounts.requests, amounts.tokens, amounts.spend = ...
  local shared = limits[1] and limits[1].share
  local held = {since = now - age, expires = now + ask.seconds, sizes = sizes,
    class = shared and (high > 0 and '|high' or '|rest') or nil}
  for j, limit in ipairs(limits) do
    local amount = amounts[string.match(limit.key, '|(%a+)$')]
    sizes[limit.key], taken[j] = amount, limit.counter:taken()
    for _, counter in ipairs({limit.counter, shared and limit.classes[held.class]}) do
      counter.idle = counter.flight > 0 and math.min(counter.idle, held.since) or held.since
      counter.flight = counter.flight + amount
    end
  end
  if ago >= 0 then
    self:reach(held, now - ago)
  end
  self.held = self.held + 1
  self:hold(lease, held)
  if ask.remembered then
    self:forget(limits, taken)
  end
end

-- So much of what was remembered is known for itself now.
function Book:forget(limits, taken)
  for j, limit in ipairs(limits) do
    local counter = limit.counter
    counter.extra = counter.extra - math.min(counter:more(), counter:taken() - taken[j])
  end
  local memory = self:memory()
  if memory.places > 0 then
    memory.places, self.held = memory.places - 1, self.held - 1
    self:hold(MEMORY, memory)
  end
end
