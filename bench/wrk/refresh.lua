-- Each answer's refresh token is the next request's: rotation as clients do it.
--   wrk … -- TYPE FILE PREFIX SUFFIX        a token a line in FILE; each of the two threads takes every second one
local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  wrk.headers["Content-Type"] = args[1]
  prefix, suffix = args[3], args[4] or ""
  tokens, first, last = {}, 1, 0
  local line = 0
  for token in io.lines(args[2]) do
    if line % 2 == number then last = last + 1; tokens[last] = token end
    line = line + 1
  end
end

function request()
  local token = tokens[first] or "none"
  tokens[first] = nil
  first = first + 1
  return wrk.format("POST", nil, nil, prefix .. token .. suffix)
end

local told = false
function response(status, headers, body)
  local token = body:match('"refresh_token": ?"([^"]+)"') or body:match('"refreshToken":"([^"]+)"')
  if status == 200 and token then
    last = last + 1
    tokens[last] = token
  elseif not told then
    told = true
    io.stderr:write(status .. " " .. body .. "\n")
  end
end
