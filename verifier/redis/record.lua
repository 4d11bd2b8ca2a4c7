-- What both scripts begin with: the rules of verifier's throttle_rules.go, on
-- strings "minute hour last failures hourly underWay". Times are milliseconds.

local MINUTE, HOUR, TRUST = 60000, 3600000, 86400000

local user, address, pair = KEYS[1], KEYS[2], KEYS[3]
local now, free = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
	local time = redis.call('TIME')
	now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- age forgets what is over.
local function age(c)
	local streak = c.failures >= free
	if now - c.minute >= MINUTE then
		c.underWay = 0
		if not streak then c.failures = 0 end
	end
	if streak and now - c.last >= MINUTE then c.failures = 0 end
	if now - c.hour >= HOUR then c.hourly = 0 end
end

-- empty reports whether there is nothing to remember, after age.
local function empty(key, c)
	return c.failures + c.hourly + c.underWay == 0 and not (key == pair and now - c.last < TRUST)
end

-- read returns a key's record as it is now. What is not one of ours counts as none,
-- and a time that is still to come, by another clock, as now.
local function read(key)
	local c = {minute = 0, hour = 0, last = 0, failures = 0, hourly = 0, underWay = 0}
	local text = redis.pcall('GET', key)
	if type(text) == 'string' then
		local minute, hour, last, failures, hourly, underWay =
			string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
		if minute then
			c.minute = math.min(now, tonumber(minute))
			c.hour = math.min(now, tonumber(hour))
			c.last = math.min(now, tonumber(last))
			c.failures, c.hourly, c.underWay = tonumber(failures), tonumber(hourly), tonumber(underWay)
		end
	end
	age(c)
	c.known = not empty(key, c)
	return c
end

local function write(key, c)
	local life = HOUR
	if key == pair then life = TRUST end
	if empty(key, c) then
		redis.call('DEL', key)
		return
	end
	redis.call('SET', key, string.format('%.0f %.0f %.0f %d %d %d',
		c.minute, c.hour, c.last, c.failures, c.hourly, c.underWay), 'PX', life)
end

local function window(c)
	if c.underWay == 0 and (c.failures == 0 or c.failures >= free) then c.minute = now end
end

local function begin(key, c)
	window(c)
	c.underWay = c.underWay + 1
	write(key, c)
end

