-- ARGV: now or '', free, limit, longest delay, a user's longest, waited, steps...
-- Returns: wait, 1 if refused, 1 if trusted, now.

local limit, longest, userDelay = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local arrived, steps = now - tonumber(ARGV[6]), #ARGV - 6

local function delay(c, most)
	local over = c.failures + c.underWay - free
	if over < 0 then return 0 end
	local since = c.last
	if c.underWay > 0 then since = math.max(since, arrived) end
	local step = tonumber(ARGV[7 + math.min(over, steps - 1)])
	return math.max(0, math.min(since + step, arrived + most) - now)
end

if pair then
	local p = read(pair)
	if p.known and now - p.last < TRUST and p.hourly + p.underWay < free then
		begin(pair, p)
		return {0, 0, 1, now}
	end
end

local a
if address then
	a = read(address)
	if a.hourly >= limit then return {a.hour + HOUR - now, 1, 0, now} end
	if a.hourly + a.underWay >= limit then return {tonumber(ARGV[7]), 1, 0, now} end
	local wait = delay(a, longest)
	if wait > 0 then return {wait, 0, 0, now} end
end
local u = read(user)
local wait = delay(u, userDelay)
if wait > 0 then return {wait, 0, 0, now} end
if a then begin(address, a) end
begin(user, u)
return {0, 0, 0, now}
