-- Quotas in Redis or Valkey, last part of three: the books of all budgets, and what can
-- be asked of them. The rules are those of ledger.py.
--
-- KEYS: the epoch, the nodes; then for each budget a hash and the set of its leases.
-- ARGV[1]: what is asked, as JSON. All keys share one hash tag, so one cluster slot.
--
-- The hash of a budget has a field for each counter, named for its window and unit, and
-- for its log, with "G" before that name; "R" for its rest; "T" for when it was last
-- taken from; "K" for when its life was last prolonged; and for each lease what that has
-- taken, with "L" before its id. The leases are ordered by the moment they expire.

local Book = {}
Book.__index = Book

local function read_book(index, said)
  local book = setmetatable({hash = KEYS[2 * index + 1], leases = KEYS[2 * index + 2],
    said = said, counters = {}}, Book)
  local fields = {'R', 'T', 'K'}
  for i, limit in ipairs(said.limits) do
    fields[i + 3] = limit.key
  end
  local values = redis.call('HMGET', book.hash, unpack(fields))
  book.rest = read_rest(values[1])
  book.touched = tonumber(values[2] or '-1')
  book.kept = tonumber(values[3] or '-1')
  for i, limit in ipairs(said.limits) do
    local counter = read_counter(book.hash, limit.key, values[i + 3])
    book.counters[limit.key] = counter
    if now < book.touched and counter.kind == 'rolling' then
      counter:not_later_than_now()
    end
    if not counter:refresh(limit.bounds) then
      book.again = true
    end
  end
  return book
end

function Book:counter(key)
  local counter = self.counters[key]
  if not counter then  -- of a window that only others declare
    counter = read_counter(self.hash, key, redis.call('HGET', self.hash, key))
    counter:refresh()
    self.counters[key] = counter
  end
  return counter
end

function Book:lease(lease)
  local packed = redis.call('HGET', self.hash, 'L' .. lease)
  return packed and cmsgpack.unpack(packed)
end

function Book:place(held, at)
  held.at = at
  for key, amount in pairs(held.sizes) do
    local counter = self:counter(key)
    counter.flight = counter.flight - amount
    counter:place(at, amount)
  end
end

function Book:drop(lease, held, served)
  redis.call('HDEL', self.hash, 'L' .. lease)
  redis.call('ZREM', self.leases, lease)
  end_probe(self.rest, lease, held.since, served)
end

-- End leases that have expired: what they took is used, since their last.
function Book:sweep()
  local over = redis.call('ZRANGEBYSCORE', self.leases, '-inf', now_text,
    'WITHSCORES', 'LIMIT', 0, 100)
  for i = 1, #over, 2 do
    local held = self:lease(over[i])
    if held then
      if not held.at then
        self:place(held, tonumber(over[i + 1]))
      end
      self:drop(over[i], held, false)
    else
      redis.call('ZREM', self.leases, over[i])
    end
  end
end

function Book:save()
  local fields = {self.hash, 'R', packed_rest(self.rest), 'T',
    self.touched == now and now_text or text(self.touched)}
  for key, counter in pairs(self.counters) do
    fields[#fields + 1] = key
    fields[#fields + 1] = counter:packed()
    if counter.logged then
      fields[#fields + 1] = 'G' .. key
      fields[#fields + 1] = counter.log
    end
  end
  if self.taken then
    fields[#fields + 1] = 'L' .. ask.lease
    fields[#fields + 1] = self.taken
  end
  if now - self.kept > KEEP_EVERY then
    fields[#fields + 1] = 'K'
    fields[#fields + 1] = now_text
  end
  redis.call('HSET', unpack(fields))
  if now - self.kept > KEEP_EVERY then
    redis.call('EXPIRE', self.hash, self.said.keep)
  end
end

local commands = {}

-- What is worst: the wait, the number of the budget, and that of its limit; -1 is a
-- rest, 0 is concurrency.
local function denial(books)
  local worst, which, what = 0, 0, 0
  local function consider(wait, i, j)
    if wait > worst then
      worst, which, what = wait, i, j
    end
  end
  for i, book in ipairs(books) do
    consider(rest_wait(book.rest), i, -1)
    local most = book.said.most
    if most and redis.call('ZCARD', book.leases) >= most then
      consider(TURNOVER, i, 0)
    end
    for j, limit in ipairs(book.said.limits) do
      local counter = book.counters[limit.key]
      if counter:taken() + limit.amount > limit.usable then
        consider(counter:wait(limit.amount, limit.usable), i, j)
      end
    end
  end
  return worst, which, what
end

function commands.take(books)
  local worst, which, what = denial(books)
  if worst > 0 then
    return {'denied', text(worst), which, what}
  end
  local expires = text(now + ask.seconds)
  for _, book in ipairs(books) do
    local sizes = {}
    for _, limit in ipairs(book.said.limits) do
      local counter = book.counters[limit.key]
      counter.flight = counter.flight + limit.amount
      sizes[limit.key] = limit.amount
    end
    admit(book.rest, ask.lease)
    book.touched = now
    redis.call('ZADD', book.leases, expires, ask.lease)
    redis.call('EXPIRE', book.leases, book.said.keep)
    book.taken = cmsgpack.pack({since = now, sizes = sizes})
  end
  return {'taken'}
end

function commands.settle(books)
  for _, book in ipairs(books) do
    local held = book:lease(ask.lease)
    if held then
      for _, limit in ipairs(book.said.limits) do
        local counter, reserved = book.counters[limit.key], held.sizes[limit.key]
        if reserved and not held.at then
          counter.flight = counter.flight - reserved
          counter:place(now - ask.ago, limit.amount)
        elseif reserved then
          counter:correct(held.at, limit.amount - reserved)
        end
        held.sizes[limit.key] = nil
      end
      if not held.at then
        book:place(held, now - ask.ago)
      end
      book:drop(ask.lease, held, ask.served)
    end
  end
  return {'settled'}
end

function commands.release(books)
  for _, book in ipairs(books) do
    local held = book:lease(ask.lease)
    if held then
      for key, reserved in pairs(held.sizes) do
        local counter = book:counter(key)
        if held.at then
          counter:correct(held.at, -reserved)
        else
          counter.flight = counter.flight - reserved
        end
      end
      book:drop(ask.lease, held, false)
    end
  end
  return {'released'}
end

function commands.extend(books)
  for i, book in ipairs(books) do
    for lease, ago in pairs(ask.leases[i]) do
      local held = book:lease(lease)
      if held then
        redis.call('ZADD', book.leases, text(now + ask.seconds), lease)
        if ago >= 0 and not held.at then
          book:place(held, now - ago)
          redis.call('HSET', book.hash, 'L' .. lease, cmsgpack.pack(held))
        end
      end
    end
  end
  return {'extended'}
end

function commands.rest(books)
  begin_rest(books[1].rest, ask.seconds, ask.longest)
  return {'resting'}
end

-- `heard` is what was counted, and for how long that holds: by the provider, or before
-- a loss, as a node remembers. Of several that remember, the most is true.
function commands.learn(books)
  for i, book in ipairs(books) do
    for j, limit in ipairs(book.said.limits) do
      local heard, counter = ask.heard[i][j], book.counters[limit.key]
      if heard ~= cjson.null then
        local counted, seconds, remembered = heard[1], heard[2], heard[3]
        if not remembered then
          counter.drift = counted - counter.used - counter.flight
          counter.extra, counter.extra_until = math.max(0, counter.drift), now + seconds
          counter.heard_at = now
        elseif counted > counter:more() then
          counter.extra, counter.extra_until = counted, now + seconds
        end
      end
    end
  end
  return {'learned'}
end

function commands.look() return {'seen'} end

function commands.add(books)
  for _, book in ipairs(books) do
    for _, limit in ipairs(book.said.limits) do
      book.counters[limit.key]:place(now, limit.amount)
    end
  end
  return {'added'}
end

-- A new epoch means that all was lost, and whoever remembers has to tell first.
local epoch = redis.call('GET', KEYS[1])
if not epoch then
  epoch = ask.node .. '/' .. now_text
  redis.call('SET', KEYS[1], epoch)
end
if ask.epoch and ask.epoch ~= epoch then
  return {{'forgotten', epoch}}
end

local books = {}
for i, said in ipairs(ask.budgets) do
  books[i] = read_book(i, said)
  if books[i].again then
    return {{'again', now_text}}
  end
end
for _, book in ipairs(books) do
  book:sweep()
end
local result = commands[ask.what](books)
for _, book in ipairs(books) do
  book:save()
end

-- How things stand: the nodes alive in the last 30 s, and every budget.
if ask.alive then
  redis.call('ZADD', KEYS[2], now_text, ask.node)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now - 30))
end
local state = {now_text, epoch, redis.call('ZCARD', KEYS[2])}
for _, book in ipairs(books) do
  local figures = {micros(rest_wait(book.rest)), micros(now - book.rest.begun),
    redis.call('ZCARD', book.leases), micros(now - book.touched)}
  local count = 4
  for _, limit in ipairs(book.said.limits) do
    local c = book.counters[limit.key]
    figures[count + 1] = c.used + c.flight
    figures[count + 2] = c:more()
    figures[count + 3] = micros(c:resets_in())
    figures[count + 4] = micros(now - c.heard_at)
    figures[count + 5] = c.drift
    count = count + 5
  end
  state[#state + 1] = figures
end
return {result, state}
