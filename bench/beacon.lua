-- wrk: one beacon a request, each with a fresh, time-ordered event id. Visitors rotate, each with an address and a browser
-- of their own, and so do 500 products.
-- COOKIES: a file with one Cookie header a line, written by the bench from real answers of the gateway.
-- PAUSE_MS: how long each connection thinks before a request, on average; 0: not at all.
local cookies, agents, n, seed = {}, {}, 0, ""
for line in io.lines(os.getenv("COOKIES")) do cookies[#cookies + 1] = line end
for i = 100, 107 do
  agents[#agents + 1] = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/" .. i .. ".0.0.0 Safari/537.36"
end

function init(args)
  math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16) % 100000)
  seed = string.format("%04x-%012x", math.random(0, 65535), math.random(0, 2 ^ 40))
end

local pause_ms = tonumber(os.getenv("PAUSE_MS") or "0")
if pause_ms > 0 then
  function delay() return -math.log(1 - math.random()) * pause_ms end
end

function request()
  n = n + 1
  local visitor, product = n % #cookies, n % 500
  local price = product % 37 + 20 .. ".5"
  local ms = os.time() * 1000 + n % 1000
  local id = string.format("%08x-%04x-7%03x-%s-%d", math.floor(ms / 65536), ms % 65536, n % 4096, seed, n)
  local body = '{"v":1,"sent_at":' .. ms .. ',"page":{"url":"https://www.acme.test/products/organic-cotton-tee?variant=44012345678901",'
    .. '"referrer":"https://www.acme.test/collections/all","title":"Organic cotton tee"},"consent":{"marketing":true,"analytics":true,'
    .. '"sale_of_data":true,"source":"shopify"},"ids":{"ttclid":"E.C.P.v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH",'
    .. '"ttp":"01JABCDEFGHJKMNPQRSTVWXYZ0_.tt.1"},"events":[{"event":"ViewContent","event_id":"' .. id .. '","at":' .. (ms - 500)
    .. ',"pixel":"fired","properties":{"content_type":"product","contents":[{"content_id":"' .. string.format("%.0f", 44012345678901 + product)
    .. '","content_name":"Organic cotton tee","price":' .. price .. ',"quantity":1}],"currency":"EUR","value":' .. price
    .. '}}]}'
  return wrk.format("POST", "/a7/q", {
    ["Host"] = "t.acme.test", ["Origin"] = "https://www.acme.test", ["Referer"] = "https://www.acme.test/",
    ["User-Agent"] = agents[visitor % #agents + 1], ["Content-Type"] = "text/plain;charset=UTF-8", ["Accept"] = "*/*",
    ["Accept-Language"] = "de-DE,de;q=0.9,en;q=0.8", ["Accept-Encoding"] = "gzip, deflate, br",
    ["Sec-Fetch-Site"] = "same-site", ["Sec-Fetch-Mode"] = "cors", ["Sec-Fetch-Dest"] = "empty",
    ["X-Forwarded-For"] = "203.0.113." .. (visitor % 250 + 1), ["X-Forwarded-Proto"] = "https",
    ["Cookie"] = cookies[visitor + 1],
  }, body)
end


function done(summary, latency, requests)
  io.write(string.format('RESULT {"requests":%d,"seconds":%.4f,"p50_ms":%.3f,"p99_ms":%.3f,"errors":%d}\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
