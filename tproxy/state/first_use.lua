-- Quotas in Redis or Valkey: what is counted in windows that begin with the first
-- request after the last. The rules are those of first_use.py.
--
-- A log is of beginnings, in order: the earliest moment, the latest, and the amount. If
-- there is one, `start` is its latest moment, and until `ends` nothing else can begin.

function FirstUse:read_log()
  if self.begun then
    return
  end
  self.begun = {}
  local log = redis.call('HGET', self.hash, 'G' .. self.key) or ''
  local position = 1
  while position <= #log do
    local each = {}
    each.earliest, each.latest, each.amount, position =
      struct.unpack('<ddd', log, position)
    self.begun[#self.begun + 1] = each
  end
end

function FirstUse:wrote_log()
  local parts, last = {}, self.begun[#self.begun]
  for i, each in ipairs(self.begun) do
    parts[i] = struct.pack('<ddd', each.earliest, each.latest, each.amount)
  end
  self.log, self.logged = table.concat(parts), true
  self.start = last and last.latest or -1
  self.ends = #parts == 1 and last.earliest + self.seconds or -1
end

function FirstUse:is_over(each, at)
  return each and each.latest + self.seconds <= at
end

function FirstUse:refresh()
  if now < self.ends then
    return true
  end
  self:read_log()
  local first = self.begun[1]
  if not self:is_over(first, now) then
    return true
  end
  local next = self.begun[2]
  while self:is_over(next, now) do
    first.earliest, first.latest = math.min(first.earliest, next.earliest), next.latest
    first.amount = first.amount + next.amount
    table.remove(self.begun, 2)
    next = self.begun[2]
  end
  if first.amount ~= 0 then
    self.used, first.amount = self.used - first.amount, 0
    self:wrote_log()
  end
  return true
end

function FirstUse:not_later_than_now()
  self:read_log()
  for _, each in ipairs(self.begun) do
    each.earliest, each.latest = math.min(each.earliest, now), math.min(each.latest, now)
  end
  self.idle = math.min(self.idle, now)
  self:wrote_log()
end

function FirstUse:first()
  local first = INF
  for _, each in ipairs(self.begun) do
    first = math.min(first, each.earliest)
  end
  return first
end

function FirstUse:may_begin(at)
  return #self.begun == 0 or at >= self:first() + self.seconds
end

function FirstUse:begin(sent, at)
  local earliest, grain = math.min(sent, self.idle), self.seconds / GRAINS
  if #self.begun > 0 then
    earliest = math.max(earliest, self:first() + self.seconds)
  end
  if self:is_over(self.begun[1], sent) then
    table.remove(self.begun, 1)
  end
  local last = self.begun[#self.begun]
  if last and math.floor(last.latest / grain) == math.floor(at / grain) then
    last.latest = at
  else
    self.begun[#self.begun + 1] = {earliest = earliest, latest = at, amount = 0}
  end
end

-- The number of what began, with which counts what was heard of at `at`; 0: it is over.
function FirstUse:find(at)
  local index = 1
  while self.begun[index] and self.begun[index].latest < at do
    index = index + 1
  end
  if not self.begun[index] or self.begun[index].earliest > at then
    index = index - 1
  end
  return index
end

function FirstUse:place(at, amount, sent)
  if amount == 0 or at + self.seconds <= now then
    return
  end
  self:read_log()
  local last = self.begun[#self.begun]
  if (not last or at > last.latest) and self:may_begin(at) then
    self:begin(math.min(sent, at), at)
  end
  self:correct(at, amount)
end

function FirstUse:correct(at, change)
  self:read_log()
  local each = self.begun[self:find(at)]
  if each and not self:is_over(each, now) then
    self.used, each.amount = self.used + change, each.amount + change
  end
  self:wrote_log()
end

function FirstUse:take_back(at, amount)
  self:correct(at, -amount)
  local each = self.begun[self:find(at)]
  if each and at <= each.latest then
    local latest = math.max(now, self.begun[#self.begun].latest)
    self.begun = {}
    if self.used ~= 0 then
      self.begun[1] = {earliest = self.idle - self.seconds, latest = latest,
        amount = self.used}
    end
    self:wrote_log()
  end
end

function FirstUse:lasts()
  if now < self.ends then
    return until_(self.start + self.seconds)
  end
  self:read_log()
  if self:may_begin(now) then
    return self.seconds
  end
  return until_(self.begun[#self.begun].latest + self.seconds)
end

function FirstUse:ends_in()
  return self:freed_in(self.used + self.flight)
end

function FirstUse:freed_in(over)
  if over <= 0 then
    return 0
  elseif now < self.ends then
    return self:lasts()
  end
  self:read_log()
  for _, each in ipairs(self.begun) do
    over = over - each.amount
    if over <= 0 then
      return until_(each.latest + self.seconds)
    end
  end
  return self:lasts()
end
