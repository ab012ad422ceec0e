-- Quotas in Redis or Valkey: what can be asked of the books. The rules are those of
-- ledger.py.

local TURNOVER = 1

local commands = {}

-- What is worst: the wait, the number of the budget, and that of its limit; -1 is a
-- rest, 0 is concurrency.
local function denial()
  local worst, which, what = 0, 0, 0
  local function consider(wait, i, j)
    if wait > worst then
      worst, which, what = wait, i, j
    end
  end
  for i, each in ipairs(books) do
    consider(rest_wait(each.book.rest), i, -1)
    if each.most and each.book.held >= each.most then
      consider(TURNOVER, i, 0)
    end
    for j, limit in ipairs(each.limits) do
      if limit.counter:taken() + limit.amount > limit.usable then
        consider(limit.counter:wait(limit.amount, limit.usable), i, j)
      end
      if limit.share then
        consider(share_wait(limit), i, j)
      end
    end
  end
  return worst, which, what
end

-- It was asked in vain: what is shared hears of that, until it has heard enough.
local function wish(limits)
  local news = false
  for _, limit in ipairs(limits) do
    news = news or limit.share and asked_in_span(limit.demands[CLASS]) < limit.usable
  end
  for _, limit in ipairs(news and limits or {}) do
    add_demand(limit.demands[CLASS], limit.amount, limit.seconds)
  end
end

function commands.take()
  local worst, which, what = denial()
  if worst > 0 then
    if worst < INF then
      wish(books[which].limits)
    end
    return {'denied', string.format('%.17g', worst), which, what}
  end
  local expires = now + ask.seconds
  for _, each in ipairs(books) do
    local book, sizes = each.book, {}
    for _, limit in ipairs(each.limits) do
      local amount = limit.amount
      limit.counter:take(amount)
      sizes[limit.key] = amount
      if limit.share then
        limit.classes[CLASS]:take(amount)
        add_demand(limit.demands[CLASS], amount, limit.seconds)
      end
    end
    admit(book.rest, ask.lease)
    book.touched, book.held = now, book.held + 1
    book.sweep_at = math.min(book.sweep_at, expires)
    local shared = each.limits[1] and each.limits[1].share
    book.taken = cmsgpack.pack({since = now, expires = expires, sizes = sizes,
      class = shared and CLASS or nil})
  end
  return {'taken'}
end

-- The amounts are what it cost in the end; nothing, where it is given back. It was
-- reached `ago`, and has ended `ended` seconds ago; negative, where that is to come.
-- Told are the numbers of the budgets that know nothing of it.
function commands.settle()
  local result = {'settled'}
  for i, each in ipairs(books) do
    local book, amounts = each.book, {}
    local held = book:lease(ask.lease)
    for _, limit in ipairs(each.limits) do
      amounts[limit.key] = limit.amount
    end
    for _, one in book:counted(held or {sizes = {}}) do
      local key, counter, reserved, lasting = unpack(one)
      local amount = amounts[key] or reserved
      if lasting or not held.at then
        counter.flight = counter.flight - reserved
        counter:place(now - (lasting and ask.ended or ask.ago), amount, held.since)
      elseif amount == 0 and reserved ~= 0 then
        counter:take_back(held.at, reserved)
      else
        counter:correct(held.at, amount - reserved)
      end
    end
    if held then
      book:drop(ask.lease, held, ask.served)
    else
      result[#result + 1] = i
    end
  end
  return result
end

-- The budgets are those of the part, the amounts nothing: where it was entered meanwhile,
-- that much is given back here.
function commands.split()
  for _, each in ipairs(books) do
    if each.book:lease(ask.part) then
      return commands.settle()
    end
    each.book:rename(ask.lease, ask.part)
  end
  return {'split'}
end

-- Told are the leases that a budget knows nothing of.
function commands.extend()
  local result = {'extended'}
  for i, each in ipairs(books) do
    for lease, said in pairs(ask.leases[i]) do
      if not each.book:extend(lease, said[1]) then
        result[#result + 1] = lease
      end
    end
  end
  return result
end

function commands.enter()
  for i, each in ipairs(books) do
    for lease, said in pairs(ask.leases[i]) do
      if not each.book:extend(lease, said[1]) then
        each.book:enter(lease, each.limits, unpack(said))
      end
    end
  end
  return {'entered'}
end

function commands.remember()
  for i, each in ipairs(books) do
    each.book:remember(each.limits, unpack(ask.remembered[i]))
  end
  return {'remembered'}
end

function commands.rest()
  begin_rest(books[1].book.rest, ask.seconds, ask.longest)
  return {'resting'}
end

-- `heard` is what the provider has counted, and for how long that holds.
function commands.learn()
  for i, each in ipairs(books) do
    for j, limit in ipairs(each.limits) do
      local heard, counter = ask.heard[i][j], limit.counter
      if heard ~= cjson.null then
        counter.drift = heard[1] - counter.used - counter.flight
        counter.extra, counter.extra_until = math.max(0, counter.drift), now + heard[2]
        counter.heard_at = now
      end
    end
  end
  return {'learned'}
end

function commands.look() return {'seen'} end

function commands.add()
  for _, each in ipairs(books) do
    for _, limit in ipairs(each.limits) do
      limit.counter:place(now, limit.amount, now - limit.counter.seconds)
    end
  end
  return {'added'}
end

for i = 1, #KEYS - 2 do
  if not read_book(i) then
    return {{'again', string.format('%.17g', now)}}
  end
end
for _, book in pairs(by_hash) do
  if ask.spare then
    book:spare()
  end
  book:sweep()
end
local result = commands[ask.what]()
for _, book in pairs(by_hash) do
  book:save()
end

-- How things stand: the nodes alive in the last 30 s, and every budget. Numbers are
-- packed, which costs a tenth of telling each by itself.
if ask.alive then
  redis.call('ZADD', KEYS[2], string.format('%.17g', now), ask.node)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.17g', now - 30))
end
local state = {struct.pack('<d', now), epoch, redis.call('ZCARD', KEYS[2])}
for i, each in ipairs(books) do
  local book = each.book
  local parts = {struct.pack('<dddd', rest_wait(book.rest), now - book.rest.begun,
    book.held, now - book.touched)}
  for _, limit in ipairs(each.limits) do
    local counter = limit.counter
    parts[#parts + 1] = struct.pack('<ddddd', counter.used + counter.flight,
      counter:more(), counter:resets_in(), now - counter.heard_at, counter.drift)
    if limit.share then
      local rest, high = limit.classes['|rest'], limit.classes['|high']
      parts[#parts + 1] = struct.pack('<dddd', high:taken(),
        asked_at(limit.demands['|high'], now, limit.seconds), rest:taken(),
        asked_at(limit.demands['|rest'], now, limit.seconds))
    end
  end
  state[i + 3] = table.concat(parts)
end
return {result, state}
