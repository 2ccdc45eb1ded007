-- wrk's script: METHOD, HEADERS (one per line) and BODY (a file) are what is sent. "USER" in the body becomes a new
-- UUID in each request. Prints the figures as one line of JSON.

wrk.method = os.getenv("METHOD")
for line in os.getenv("HEADERS"):gmatch("[^\n]+") do
   local name, value = line:match("^(.-): (.*)$")
   wrk.headers[name] = value
end
local file = io.open(os.getenv("BODY"), "rb")
local body = file:read("*a")
file:close()
if #body > 0 then wrk.body = body end

local first, last = body:find("USER", 1, true)
if first then
   local before, after, number = body:sub(1, first - 1), body:sub(last + 1), 0
   local run = tonumber(os.getenv("RUN"))
   request = function()
      number = number + 1
      local user = string.format("%08x-0000-4000-8000-%012x", run, number)
      return wrk.format(nil, nil, nil, before .. user .. after)
   end
end

done = function(summary, latency)
   local e = summary.errors
   local errors = e.connect + e.read + e.write + e.status + e.timeout
   io.write(string.format('{"requests": %d, "seconds": %f, "errors": %d, "p99": %f}\n',
      summary.requests, summary.duration / 1e6, errors, latency:percentile(99) * 1000))
end
