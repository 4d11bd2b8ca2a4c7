-- ARGV: now or '', free, outcome, 1 if trusted, when it began.

local outcome, trusted, began = ARGV[3], ARGV[4] == '1', tonumber(ARGV[5])

local function done(c)
	if c.underWay > 0 and began >= c.minute then c.underWay = c.underWay - 1 end
end

local function fail(c)
	window(c)
	if c.hourly == 0 then c.hour = now end
	c.failures, c.hourly = c.failures + 1, c.hourly + 1
end

local function settle(key)
	local c = read(key)
	if not trusted then done(c) end
	if outcome == 'failed' then
		fail(c)
		c.last = now
	end
	write(key, c)
end

if not trusted or outcome == 'failed' then
	if address then settle(address) end
	settle(user)
end
if pair then
	local p = read(pair)
	if trusted then done(p) end
	if outcome == 'succeeded' then
		p.last = math.max(p.last, began)
		write(pair, p)
	elseif p.known then
		if outcome == 'failed' then fail(p) end
		write(pair, p)
	end
end
return 0
