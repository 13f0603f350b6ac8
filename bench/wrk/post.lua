-- The same form again and again.   wrk … -- BASIC BODY
function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.headers["Authorization"] = "Basic " .. args[1]
  wrk.body = args[2]
end

local told = false
function response(status, headers, body)
  if status ~= 200 and not told then
    told = true
    io.stderr:write(status .. " " .. body .. "\n")
  end
end
