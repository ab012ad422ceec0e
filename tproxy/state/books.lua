-- Quotas in Redis or Valkey: the books of the budgets that are asked about, read and
-- written. The rules are those of ledger.py.

local Book = {touched = -1, kept = -1, held = 0, sweep_at = INF, taken = false}
Book.__index = Book

local function read_state(hash, keep, packed)
  local book = setmetatable({hash = hash, keep = keep, counters = {}, demands = {}}, Book)
  local position
  if packed then
    book.touched, book.kept, book.held, book.sweep_at, position =
      struct.unpack('<dddd', packed)
  end
  book.rest = read_rest(packed, position)
  return book
end

local OF_ALL = '^([%l_]+)/([^/]+)/[^|]*(|%a+)$'  -- not those of a class

-- What was used in the window of a new limit, as far as other counters know. The rules
-- are those of seeding.py.
local function used_before(book, limit, names, declared)
  local logged, most, unit = nil, 0, string.match(limit.key, '|%a+$')
  for _, name in ipairs(names) do
    local kind, seconds, of = string.match(name, OF_ALL)
    if of == unit then
      local other = book:counter(name)
      if kind == 'rolling' and tonumber(seconds) >= limit.counter.seconds then
        local sum = other:placed_since(now - limit.counter.seconds) + other.flight
        logged = math.min(logged or sum, sum)
      elseif not declared[name] then
        most = math.max(most, other:taken())
      end
    end
  end
  return logged or most
end

function Book:seed(limits)
  local new, declared = {}, {}
  for _, limit in ipairs(limits) do
    declared[limit.key] = true
    if limit.new then
      new[#new + 1] = limit
    end
  end
  local names = #new > 0 and redis.call('HKEYS', self.hash)
  for _, limit in ipairs(new) do
    local counter = limit.counter
    local used = used_before(self, limit, names, declared)
    counter:place(now, used, now - counter.seconds)
  end
end

-- What is said of each budget, with its book; two of one name have one book.
local books, by_hash = {}, {}

local function read_limit(book, key, share, values, at, usable, amount, kind, seconds, ...)
  local limit = {key = key, usable = usable, amount = amount}
  limit.new = not (values[at] or book.counters[key])
  limit.counter = book:counter(key, kind, seconds, values[at])
  local fresh = limit.counter:refresh(...)
  if share then
    limit.share, limit.seconds, limit.classes = share, seconds, {}
    for i, class in ipairs(CLASSES) do
      local own = book:counter(key .. class, kind, seconds, values[at + i])
      limit.classes[class], fresh = own, own:refresh(...) and fresh
    end
    limit.demands = book.demands[key] or read_demands(values[at + 3])
    book.demands[key] = limit.demands
  end
  return limit, fresh
end

-- False: the windows that came with the question are not those of now.
local function read_book(index)
  local hash, said = KEYS[index + 2], ARGV[index + 1]
  local keep, most, share, first = struct.unpack('<ddd', said)
  share = share >= 0 and share
  local fields, position, key = {'B'}, first, nil
  while position <= #said do
    key, position = struct.unpack('<s', said, position)
    position, fields[#fields + 1] = position + LIMIT, key
    if share then
      for _, class in ipairs(CLASSES) do
        fields[#fields + 1] = key .. class
      end
      fields[#fields + 1] = 'D' .. key
    end
  end
  local values = redis.call('HMGET', hash, unpack(fields))
  local book = by_hash[hash] or read_state(hash, keep, values[1])
  local limits, at, all_fresh = {}, 2, true
  by_hash[hash], position = book, first
  while position <= #said do
    local usable, amount, kind, seconds, start, turn, last
    key, usable, amount, kind, seconds, start, turn, last, position =
      struct.unpack('<sddddddd', said, position)
    local limit, fresh = read_limit(book, key, share, values, at, usable, amount, kind,
      seconds, start, turn, last)
    limits[#limits + 1], all_fresh = limit, fresh and all_fresh
    at = at + (share and 4 or 1)
  end
  if values[1] then
    book:seed(limits)
  end
  books[index] = {book = book, most = most >= 0 and most, limits = limits}
  return all_fresh
end

-- The counter of that name, of a window as described; or else of one that only others
-- declare.
function Book:counter(key, kind, seconds, packed)
  local counter = self.counters[key]
  if counter then
    return counter
  elseif not kind then
    kind, seconds = string.match(key, '^([%a_]+)/([^/]+)/')
    kind = kind == 'rolling' and ROLLING or kind == 'first_use' and FIRST_USE or FIXED
    packed = redis.call('HGET', self.hash, key)
    counter = read_counter(self.hash, key, kind, tonumber(seconds), packed)
    counter:refresh()
  else
    counter = read_counter(self.hash, key, kind, seconds, packed)
  end
  if now < self.touched then
    counter:set_back(self.touched - now)
  end
  self.counters[key] = counter
  return counter
end

function Book:save()
  local keeps = now - self.kept > KEEP_EVERY
  if keeps then
    self.kept = now
  end
  local fields, last = {self.hash, 'B', struct.pack('<dddd', self.touched, self.kept,
    self.held, self.sweep_at) .. packed_rest(self.rest)}, 3
  for key, counter in pairs(self.counters) do
    fields[last + 1], fields[last + 2], last = key, counter:packed(), last + 2
    if counter.logged then
      fields[last + 1], fields[last + 2], last = 'G' .. key, counter.log, last + 2
    end
  end
  for key, demands in pairs(self.demands) do
    fields[last + 1], fields[last + 2], last = 'D' .. key, packed_demands(demands),
      last + 2
  end
  if self.taken then
    fields[last + 1], fields[last + 2] = 'L' .. ask.lease, self.taken
  end
  redis.call('HSET', unpack(fields))
  if keeps then
    redis.call('EXPIRE', self.hash, self.keep)
  end
end
