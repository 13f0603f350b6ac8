-- The same address again and again, with an access token.   wrk … -- TOKEN
function init(args)
  wrk.headers["Authorization"] = "Bearer " .. args[1]
end

local told = false
function response(status, headers, body)
  if status ~= 200 and not told then
    told = true
    io.stderr:write(status .. " " .. body .. "\n")
  end
end
