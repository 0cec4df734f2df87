-- One change to one provider's CallBook (see limits.py, whose rules these are), atomically.
--
-- KEYS[1]  the book, JSON
-- ARGV     verb, now (ms; '' for this server's time), then
--   ask     token, lease in ms, the limits: burst, per second, minute, day, concurrency (-1: none)
--   finish  token
--   block   code, ms
-- Answers  ask: nothing when admitted, else {wait in ms, cause}; finish: 1 in time, 0 not
--
-- Times are whole milliseconds: 13 digits, of the 14 that cjson keeps.

local STEPS = 100
local WINDOWS = {
  {'burst', 100}, {'per_second', 1000}, {'per_minute', 60000}, {'per_day', 86400000},
}

local verb = ARGV[1]
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local stored = redis.call('GET', KEYS[1])
local book = stored and cjson.decode(stored)
  or {now = 0, finished = {}, running = {}, blocked = {}}

local function frees_at(finished_at, length)
  local step = length / STEPS
  return (math.floor(finished_at / step) + 1) * step + length
end

local function record(at)
  for _, window in ipairs(WINDOWS) do
    local steps = book.finished[window[1]]
    local free = frees_at(at, window[2])
    local last = steps[#steps]
    if last and last[1] >= free then
      last[2] = last[2] + 1
    else
      steps[#steps + 1] = {free, 1}
    end
  end
end

local function shift(by)
  for _, steps in pairs(book.finished) do
    for _, step in ipairs(steps) do
      step[1] = step[1] + by
    end
  end
  for token, lease_end in pairs(book.running) do
    book.running[token] = lease_end + by
  end
  for code, until_ms in pairs(book.blocked) do
    book.blocked[code] = until_ms + by
  end
end

local function advance()
  for _, window in ipairs(WINDOWS) do
    book.finished[window[1]] = book.finished[window[1]] or {}
  end
  if now < book.now then
    shift(now - book.now)
  end
  book.now = now
  local overdue = {}
  for token, lease_end in pairs(book.running) do
    if lease_end <= now then
      overdue[#overdue + 1] = {lease_end, token}
    end
  end
  table.sort(overdue, function(a, b) return a[1] < b[1] end)
  for _, call in ipairs(overdue) do
    book.running[call[2]] = nil
    record(call[1])
  end
  for name, steps in pairs(book.finished) do
    local kept = {}
    for _, step in ipairs(steps) do
      if step[1] > now then
        kept[#kept + 1] = step
      end
    end
    book.finished[name] = kept
  end
  for code, until_ms in pairs(book.blocked) do
    if until_ms <= now then
      book.blocked[code] = nil
    end
  end
end

local function running_calls()
  local calls = 0
  for _ in pairs(book.running) do
    calls = calls + 1
  end
  return calls
end

local function free_at(window, limit, running)
  local steps = book.finished[window[1]]
  local taken = running
  for _, step in ipairs(steps) do
    taken = taken + step[2]
  end
  if taken < limit then
    return now
  end
  for _, step in ipairs(steps) do
    taken = taken - step[2]
    if taken < limit then
      return step[1]
    end
  end
  return frees_at(now, window[2])
end

local function longest(refusal, wait, cause)
  if not refusal or wait > refusal[1] or (wait == refusal[1] and cause < refusal[2]) then
    return {wait, cause}
  end
  return refusal
end

local function refusal_of()
  local refusal
  for code, until_ms in pairs(book.blocked) do
    refusal = longest(refusal, until_ms - now, code)
  end
  if refusal then
    return refusal
  end
  local running = running_calls()
  for place, window in ipairs(WINDOWS) do
    local limit = tonumber(ARGV[4 + place])
    if limit > 0 then
      local free = free_at(window, limit, running)
      if free > now then
        refusal = longest(refusal, free - now, window[1])
      end
    end
  end
  local concurrency = tonumber(ARGV[5 + #WINDOWS])
  if concurrency > 0 and running >= concurrency then
    refusal = longest(refusal, 0, 'concurrency')
  end
  return refusal
end

local answer = false
advance()
if verb == 'ask' then
  local token = ARGV[3]
  if not book.running[token] then
    answer = refusal_of() or false
    if not answer then
      book.running[token] = now + tonumber(ARGV[4])
    end
  end
elseif verb == 'finish' then
  answer = book.running[ARGV[3]] and 1 or 0
  book.running[ARGV[3]] = nil
  record(now)
elseif verb == 'block' then
  book.blocked[ARGV[3]] = math.max(book.blocked[ARGV[3]] or 0, now + tonumber(ARGV[4]))
else
  return redis.error_reply('unknown verb ' .. verb)
end
if not (verb == 'ask' and answer) then
  redis.call('SET', KEYS[1], cjson.encode(book))
end
return answer
