-- The code flow of people who are signed in: authorize, and with the code of its answer token. Counts flows.
--   wrk … -- CLIENT FILE        a session's Cookie header a line in FILE; each of the two threads takes every second one
-- The answers of a thread's connections come in any order: a code waits until one of them is free, and goes before the next authorize.
local redirect = "https%3A%2F%2Fapp.example.com%2Fcallback"
local verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" -- RFC 7636, appendix B
local threads = {}
function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

function init(args)
  query = "?response_type=code&scope=openid%20offline_access&code_challenge_method=S256&client_id=" .. args[1] .. "&redirect_uri=" .. redirect .. "&code_challenge=" .. challenge
  form = "grant_type=authorization_code&client_id=" .. args[1] .. "&redirect_uri=" .. redirect .. "&code_verifier=" .. verifier .. "&code="
  sessions, codes, first, last, begun, flows = {}, {}, 1, 0, 0, 0
  local line = 0
  for cookie in io.lines(args[2]) do
    if line % 2 == number then sessions[#sessions + 1] = { ["Cookie"] = cookie } end
    line = line + 1
  end
end

function request()
  local code = codes[first]
  if code then
    codes[first] = nil
    first = first + 1
    return wrk.format("POST", "/connect/token", { ["Content-Type"] = "application/x-www-form-urlencoded" }, form .. code)
  end

  begun = begun + 1
  return wrk.format("GET", "/connect/authorize" .. query .. "&state=" .. begun .. "&nonce=" .. begun, sessions[begun % #sessions + 1])
end

local told = false
function response(status, headers, body)
  local code = (status == 302 or status == 303) and (headers["Location"] or ""):match("^https://app%.example%.com/callback%?.*code=([^&]+)")
  if code then
    last = last + 1
    codes[last] = code
  elseif status == 200 and body:find('"access_token"') and body:find('"id_token"') and body:find('"refresh_token"') then
    flows = flows + 1
  elseif not told then
    told = true
    io.stderr:write(status .. " " .. (headers["Location"] or "") .. " " .. body .. "\n")
  end
end

function done(summary)
  local flows = 0
  for _, thread in ipairs(threads) do flows = flows + thread:get("flows") end
  print("Flows: " .. flows)
  print("Flows/sec: " .. flows / summary.duration * 1e6)
end
