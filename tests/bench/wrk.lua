-- Asks for the paths of a file in turn, and prints what was measured as one line of JSON.
-- arguments: the file of paths, then headers as "Name: value"
local paths, turn = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do paths[#paths + 1] = line end
    for i = 2, #arguments do
        local name, value = arguments[i]:match("^(.-): (.*)$")
        wrk.headers[name] = value
    end
end

function request()
    turn = turn % #paths + 1
    return wrk.format("GET", paths[turn])
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format(
        '{"requests": %d, "microseconds": %d, "bytes": %d, "failed": %d, "p50": %d, "p99": %d}',
        summary.requests, summary.duration, summary.bytes,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
