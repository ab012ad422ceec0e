-- Quotas in Redis or Valkey: what is asked, and of whom. One script is made of this
-- file, taking.lua, counting.lua, first_use.lua, rests.lua, shares.lua, books.lua,
-- leases.lua and ledger.lua, one after another.
--
-- KEYS: the epoch, the nodes; then a hash for each budget. All share one hash tag, so
-- one cluster slot. ARGV: what is asked, as JSON; then what is said of each budget: how
-- long to keep it, how many may be under way (-1: any number), its share (-1: none), and
-- for each limit its key, what is usable, the amount asked for, the kind and length of
-- its window, and of a fixed one the start, the end, and the end of the next.
--
-- The hash of a budget has a field for each counter, named for its window and unit, and
-- for its log, with "G" before that name; "B" for the book itself and its rest; and for
-- each lease what that has taken, with "L" before its id.

local ask = cjson.decode(ARGV[1])
local now = ask.now
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end

local INF = math.huge
local ROLLING, FIRST_USE, FIXED = 0, 1, 2  -- kinds of window
local LIMIT = 56  -- bytes of what is said of a limit, behind its key
local KEEP_EVERY = 3600

-- Nobody waits for the answer any more: the server was stopped, or its clock has jumped.
if ask.before and now > ask.before then
  return {{'again', string.format('%.17g', now)}}
end

-- A new epoch means that all was lost, and whoever remembers has to tell first.
local epoch = redis.call('GET', KEYS[1])
if not epoch then
  epoch = ask.node .. '/' .. string.format('%.17g', now)
  redis.call('SET', KEYS[1], epoch)
end
if ask.epoch and ask.epoch ~= epoch then
  return {{'forgotten', epoch}}
end
