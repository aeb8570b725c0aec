-- One request, again and again, for BenchmarkServe:
--   wrk -s request.lua URL -- METHOD PATH COOKIE BODYFILE
-- COOKIE and BODYFILE are "-" for none. The body is a form, sent as browsers send it. At the end one line of JSON.

function init(args)
	local method, path, cookie, file = args[1], args[2], args[3], args[4]
	local headers = { ["Sec-Fetch-Site"] = "same-origin", ["Sec-Fetch-Mode"] = "navigate" }
	local body
	if cookie ~= "-" then
		headers["Cookie"] = cookie
	end
	if file ~= "-" then
		local f = assert(io.open(file, "rb"))
		body = f:read("*a")
		f:close()
		headers["Content-Type"] = "application/x-www-form-urlencoded"
	end
	line = wrk.format(method, path, headers, body)
end

function request()
	return line
end

function done(summary, latency, requests)
	io.write(string.format('JSON{"requests":%d,"us":%d,"bytes":%d,"failed":%d,"refused":%d,"p50":%d,"p99":%d}\n',
		summary.requests, summary.duration, summary.bytes,
		summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
		summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
