-- Posts one body after another and begins anew.   wrk … -- TYPE FILE [MILLISECONDS]
-- A body a line in FILE; before a tab and the body there may be credentials for Basic. Each of the threads begins elsewhere. With MILLISECONDS a connection waits that long before each request.
local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  requests = {}
  for line in io.lines(args[2]) do
    local basic, body = line:match("^([^\t]*)\t(.*)$")
    local headers = { ["Content-Type"] = args[1], ["Authorization"] = basic and "Basic " .. basic }
    requests[#requests + 1] = wrk.format("POST", nil, headers, body or line)
  end
  turn = math.floor(number * #requests / 2)
  if args[3] then
    local wait = tonumber(args[3])
    function delay() return wait end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

local told = false
function response(status, headers, body)
  if (status ~= 200 or body:find('"active":%s*false')) and not told then
    told = true
    io.stderr:write(status .. " " .. body .. "\n")
  end
end
