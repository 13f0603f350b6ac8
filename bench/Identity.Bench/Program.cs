// Load on a running server. Every claim made from it is a ratio within one run: absolute figures drift between machines and hours.
//   dotnet run -c Release --project bench/Identity.Bench -- URL CLIENT_ID CLIENT_SECRET [seconds] [scope …]
// Each scope is a scenario of its own, so APIs with different token formats and algorithms can be held against each other:
// "token" gets one, "introspect" has the server check it, "verify" checks it as an API does that has the server's keys.
// The last column is the rate beside that of the first scope. bench/token-formats.sh starts a server and does all of it.
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Identity.Bench;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

if (args.Length < 3 || !Uri.TryCreate(args[0], UriKind.Absolute, out var server) || !server.IsLoopback)
{
    Console.Error.WriteLine("usage: Identity.Bench http://localhost:PORT CLIENT_ID CLIENT_SECRET [seconds] [scope …]   (a server on this machine)");
    return 2;
}

var duration = TimeSpan.FromSeconds(args.Length > 3 ? double.Parse(args[3], CultureInfo.InvariantCulture) : 10);
var scopes = args.Skip(4).ToArray();
var basic = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.EscapeDataString(args[1]) + ":" + Uri.EscapeDataString(args[2]))));

HttpRequestMessage Post(string path, string body) => new(HttpMethod.Post, path)
{
    Headers = { Authorization = basic },
    Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/x-www-form-urlencoded")),
};

Func<HttpClient, Task<bool>> Token(string? scope) => async client =>
{
    using var request = Post("/connect/token", "grant_type=client_credentials" + (scope is null ? "" : "&scope=" + Uri.EscapeDataString(scope)));
    using var response = await client.SendAsync(request);
    return response.IsSuccessStatusCode;
};

async Task<string> OneToken(string? scope)
{
    using var client = new HttpClient { BaseAddress = server };
    using var request = Post("/connect/token", "grant_type=client_credentials" + (scope is null ? "" : "&scope=" + Uri.EscapeDataString(scope)));
    using var response = await client.SendAsync(request);
    var body = await response.Content.ReadAsStringAsync();
    return JsonDocument.Parse(body).RootElement.TryGetProperty("access_token", out var token) ? token.GetString()! : throw new InvalidOperationException(body);
}

Func<HttpClient, Task<bool>> Introspect(string token) => async client =>
{
    using var request = Post("/connect/introspect", "token=" + Uri.EscapeDataString(token));
    using var response = await client.SendAsync(request);
    return (await response.Content.ReadAsStringAsync()).Contains("\"active\":true", StringComparison.Ordinal);
};

async Task<Func<HttpClient, Task<bool>>> Verify(string token)
{
    using var client = new HttpClient { BaseAddress = server };
    var keys = new JsonWebKeySet(await client.GetStringAsync(new Uri("/connect/jwks", UriKind.Relative)));
    var read = new JsonWebToken(token);
    var handler = new JsonWebTokenHandler { MapInboundClaims = false };
    var expected = new TokenValidationParameters
    {
        ValidIssuer = read.Issuer,
        ValidAudiences = read.Audiences,
        ValidTypes = [read.Typ],
        ValidAlgorithms = [read.Alg],
        IssuerSigningKeys = keys.GetSigningKeys(),
    };
    return async _ => (await handler.ValidateTokenAsync(token, expected)).IsValid;
}

Func<HttpClient, Task<bool>> Discovery() => async client =>
{
    using var response = await client.GetAsync(new Uri("/.well-known/openid-configuration", UriKind.Relative));
    await response.Content.ReadAsByteArrayAsync();
    return response.IsSuccessStatusCode;
};

var scenarios = new List<(string Kind, string Name, Func<HttpClient, Task<bool>> Request)> { ("discovery", "", Discovery()) };
foreach (var scope in scopes.DefaultIfEmpty(null))
{
    var name = scope ?? "(no scope)";
    var token = await OneToken(scope);
    scenarios.Add(("token", name, Token(scope)));
    scenarios.Add(("introspect", name, Introspect(token)));
    if (token.Count(c => c == '.') == 2)
    {
        scenarios.Add(("verify", name, await Verify(token)));
    }
}

scenarios = [.. scenarios.OrderBy(scenario => scenario.Kind, StringComparer.Ordinal)];

// The JIT keeps compiling for a while under load: a round that nobody counts comes first.
foreach (var (_, name, request) in scenarios)
{
    await Load.RunAsync(name, 16, duration / 2, request, server);
}

Console.WriteLine($"{"scenario",-40} {"req/s",10} {"p50 ms",8} {"p99 ms",8} {"failed",7} {"beside",7}");
var failed = false;
var first = new Dictionary<string, double>(StringComparer.Ordinal);
foreach (var (kind, name, request) in scenarios)
{
    var result = await Load.RunAsync($"{kind} {name}", 16, duration, request, server);
    failed |= result.Failures > 0;
    first.TryAdd(kind, result.PerSecond);
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{result.Name,-40} {result.PerSecond,10:F0} {result.P50,8:F1} {result.P99,8:F1} {result.Failures,7} {result.PerSecond / first[kind],7:F2}"));
}

return failed ? 1 : 0;
