-- Quotas in Redis or Valkey: what is counted in one window, in one unit. The rules are
-- those of counting.py; the time is the server's.
--
-- A log is pairs of moment and amount, in order. That of a fixed window has only what was
-- placed at a moment to come.

local ENTRY, MOST_PLACES, GRAINS = 16, 512, 256

local function until_(moment)
  return math.max(moment - now, 0)
end

-- What most counters never have stands here for all, and takes no room in them.
local Counter = {extra = 0, extra_until = -1, heard_at = -1, drift = 0, log = false,
  logged = false}
Counter.__index = Counter

-- Those of windows that begin with the first request; see first_use.lua.
local FirstUse = setmetatable({}, {__index = Counter})
FirstUse.__index = FirstUse

-- One that was never `packed` is empty.
local function read_counter(hash, key, kind, seconds, packed)
  local used, flight, start, ends, idle, position = 0, 0, -1, -1, -1, nil
  if packed then
    used, flight, start, ends, idle, position = struct.unpack('<ddddd', packed)
  end
  local counter = setmetatable({hash = hash, key = key, kind = kind, seconds = seconds,
    used = used, flight = flight, start = start, ends = ends, idle = idle},
    kind == FIRST_USE and FirstUse or Counter)
  if packed and position <= #packed then
    counter.extra, counter.extra_until, counter.heard_at, counter.drift =
      struct.unpack('<dddd', packed, position)
  end
  return counter
end

function Counter:packed()
  local packed = struct.pack('<ddddd', self.used, self.flight, self.start, self.ends,
    self.idle)
  if self.extra_until < 0 then
    return packed
  end
  return packed .. struct.pack('<dddd', self.extra, self.extra_until, self.heard_at,
    self.drift)
end

-- The log is long, and read only where it is needed.
function Counter:read_log()
  if not self.log then
    self.log = redis.call('HGET', self.hash, 'G' .. self.key) or ''
  end
end

function Counter:wrote_log()
  self.logged = true
  self.ends = #self.log > 0 and self:entry(1) + self.seconds or INF
end

function Counter:entry(position)
  return struct.unpack('<dd', self.log, position)
end

function Counter:replace(position, at, amount)
  self.log = string.sub(self.log, 1, position - 1) .. struct.pack('<dd', at, amount) ..
    string.sub(self.log, position + ENTRY)
end

-- The position of the first place at `at` or later; behind the log if there is none.
function Counter:seek(at)
  local position = #self.log + 1
  while position > 1 and self:entry(position - ENTRY) >= at do
    position = position - ENTRY
  end
  return position
end

function Counter:compact()
  local grain, slot, last, sum, parts = self.seconds / GRAINS, nil, nil, 0, {}
  for position = 1, #self.log, ENTRY do
    local at, amount = self:entry(position)
    if slot and math.floor(at / grain) ~= slot then
      parts[#parts + 1] = struct.pack('<dd', last, sum)
      sum = 0
    end
    slot, last, sum = math.floor(at / grain), at, sum + amount
  end
  parts[#parts + 1] = struct.pack('<dd', last, sum)
  self.log = table.concat(parts)
end

-- Let go of what the window no longer holds. Of a rolling window, `start` is the last
-- place that was let go of, and `ends` is when the next will be. False: of a fixed
-- window, from `start` to `turn`, or from then to `last`, neither is that of now.
function Counter:refresh(start, turn, last)
  if self.kind == ROLLING then
    if now < self.ends then
      return true
    end
    self:read_log()
    local position = 1
    while position <= #self.log do
      local at, amount = self:entry(position)
      if at + self.seconds > now then
        break
      end
      self.used, self.start, position = self.used - amount, at, position + ENTRY
    end
    self.log = string.sub(self.log, position)
    self:wrote_log()
  elseif start then
    if now >= turn then
      start, turn = turn, last
    end
    if now < start or now >= turn then
      return false
    end
    if now >= self.ends then
      self.used = self:placed_since(start)
    end
    if now >= self.ends or now < self.start then
      self.start, self.ends = start, turn
    end
  elseif now >= self.ends then  -- and nobody says what follows
    self.used = 0
  end
  return true
end

-- The server's clock was set back: what was taken before is no later than now, and what
-- was heard holds no longer than it would have.
function Counter:set_back(seconds)
  self.extra_until, self.heard_at = self.extra_until - seconds, math.min(self.heard_at, now)
  if self.kind ~= FIXED then
    self:not_later_than_now()
  end
end

function Counter:not_later_than_now()
  local sum = self:placed_since(now)
  local first = self:seek(now)
  self.log = string.sub(self.log, 1, first - 1) .. struct.pack('<dd', now, sum)
  self.start = math.min(self.start, now - self.seconds)
  self:wrote_log()
end

function Counter:note(at, amount)
  self:read_log()
  local position = self:seek(at)
  local there, before = nil, 0
  if position <= #self.log then
    there, before = self:entry(position)
  end
  if there == at then
    self:replace(position, at, before + amount)
  else
    self.log = string.sub(self.log, 1, position - 1) ..
      struct.pack('<dd', at, amount) .. string.sub(self.log, position)
  end
  if #self.log > MOST_PLACES * ENTRY then
    self:compact()
  end
end

-- What its log has from a moment on: of a fixed window, all that was to come.
function Counter:placed_since(moment)
  self:read_log()
  local sum = 0
  for position = self:seek(moment), #self.log, ENTRY do
    local _, amount = self:entry(position)
    sum = sum + amount
  end
  return sum
end

function Counter:place(at, amount, sent)
  if amount == 0 then
    return
  elseif self.kind == ROLLING then
    if at <= self.start or at + self.seconds <= now then
      return
    end
    self.used = self.used + amount
    self:note(at, amount)
    self:wrote_log()
    return
  elseif at >= self.start then
    self.used = self.used + amount
  end
  if at > now then  -- perhaps of the next window
    self:read_log()
    self.log = string.sub(self.log, self:seek(now))
    self:note(at, amount)
    self.logged = true
  end
end

function Counter:correct(at, change)
  if self.kind ~= ROLLING then
    if at >= self.start then
      self:place(at, change)
    end
    return
  end
  self:read_log()
  local position = self:seek(at)
  if position > #self.log then
    self:place(at, change)
  elseif at > self.start and at + self.seconds > now then
    local there, before = self:entry(position)
    self.used = self.used + change
    self:replace(position, there, before + change)
    self:wrote_log()
  end
end

function Counter:take_back(at, amount)
  self:correct(at, -amount)
end

function Counter:take(amount)
  if self.flight == 0 then
    self.idle = now
  end
  self.flight = self.flight + amount
end

function Counter:more()
  return now < self.extra_until and self.extra or 0
end

function Counter:taken()
  return self.used + self.flight + self:more()
end

function Counter:ends_in()
  if self.kind ~= ROLLING then
    return self.used + self.flight > 0 and until_(self.ends) or 0
  elseif self.flight > 0 then
    return self.seconds
  elseif self.used == 0 then
    return 0
  end
  self:read_log()
  for position = #self.log - ENTRY + 1, 1, -ENTRY do
    local at, amount = self:entry(position)
    if amount ~= 0 then
      return until_(at + self.seconds)
    end
  end
  return 0
end

function Counter:freed_in(over)
  if over <= 0 then
    return 0
  elseif self.kind ~= ROLLING then
    return until_(self.ends)
  end
  self:read_log()
  for position = 1, #self.log, ENTRY do
    local at, amount = self:entry(position)
    over = over - amount
    if over <= 0 then
      return until_(at + self.seconds)
    end
  end
  return self.seconds
end

function Counter:wait(amount, usable)
  if amount > usable then
    return INF
  end
  local over, more = self.used + self.flight + amount - usable, self:more()
  local without = self:freed_in(over)
  if more == 0 then
    return without
  end
  return math.min(self:freed_in(over + more),
    math.max(without, until_(self.extra_until)))
end

function Counter:resets_in()
  return math.max(self:ends_in(), self:more() > 0 and until_(self.extra_until) or 0)
end
