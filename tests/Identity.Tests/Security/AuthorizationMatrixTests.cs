// OWASP ASVS 5.0 §8.2: who may do what, every administrative route by every kind of caller.
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Identity.Tests.Api;
using Microsoft.AspNetCore.Mvc.Controllers;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Security;

/// <summary>The account routes × anonymous, another person, the person itself, an administrator, a service with and without its scope.</summary>
public sealed partial class AuthorizationMatrixTests(ApiServer server)
{
    private const string Hash = "$2b$10$qPdd.SX5B0W4crLYo60HAO9oVhTR1rWySATmvIGcF9mrmqVUrL5yC";

    // S: succeeds. U: 401 unauthorized. F: 403 forbidden. I: 403 insufficient_scope. In the order of the summary.
    private static readonly (string Method, string Route, string? Body, string Expected)[] Matrix =
    [
        ("GET", "users", null, "UFFSSI"),
        ("POST", "users", """{"email":"EMAIL"}""", "UFFSFF"),
        ("GET", "users/me", null, "USSSFF"),
        ("GET", "users/{id}", null, "UFSSSI"),
        ("PUT", "users/{id}", """{"firstName":"Ada"}""", "UFSSSI"),
        ("POST", "users/{id}/unlock", null, "UFFSFF"),
        ("POST", "users/{id}/sign-out", null, "UFFSFF"),
        ("POST", "users/{id}/password", """{"newPassword":"another pass phrase 8"}""", "UFFSFF"),
        ("GET", "users/{id}/data", null, "UFSSFF"),
        ("DELETE", "users/{id}", null, "UFSSFF"),
        ("POST", "users/import", "NDJSON", "UFFSFF"),
        ("GET", "imports/{id}", null, "UFFSFF"),
        ("GET", "imports/{id}/refusals", null, "UFFSFF"),
        ("GET", "users/export", null, "UFFSSI"),
        ("GET", "exports/{id}", null, "UFFSSI"),
        ("GET", "exports/{id}/file", null, "UFFSSI"),
        ("GET", "roles", null, "UFFSSI"),
        ("PUT", "roles/{name}", "{}", "UFFSFF"),
        ("DELETE", "roles/{name}", null, "UFFSFF"),
    ];

    [Fact]
    public async Task AccountRoutes_ByEveryKindOfCaller_AnswerAsTheTableSays()
    {
        var admin = await server.AdminAsync();
        var wrong = new List<string>();
        foreach (var (method, route, body, expected) in Matrix)
        {
            for (var caller = 0; caller < expected.Length; caller++)
            {
                // Everybody new: what one does must not stand in another's way.
                var (person, own) = await server.SignedInAsync();
                var token = caller switch
                {
                    0 => null,
                    1 => (await server.SignedInAsync()).Tokens.Access,
                    2 => own.Access,
                    3 => admin.Access,
                    4 when route.StartsWith("users/export", StringComparison.Ordinal) || route.StartsWith("exports/", StringComparison.Ordinal) => await server.ServiceTokenAsync("exporter", "identity.users.export"),
                    4 => await server.ServiceTokenAsync("writer", "identity.users.read identity.users.write"),
                    _ => await server.ServiceTokenAsync("writer", method == "GET" ? "identity.users.write" : "identity.users.read"),
                };
                var name = "m" + Guid.NewGuid().ToString("N")[..10];
                var path = route.Replace("{name}", name, StringComparison.Ordinal);
                if (route.StartsWith("imports/", StringComparison.Ordinal))
                {
                    var import = await server.PostAsync("users/import", new StringContent("", Encoding.UTF8, "application/x-ndjson"), admin.Access);
                    path = path.Replace("{id}", import.Value("id"), StringComparison.Ordinal);
                }
                else if (route == "users/export")
                {
                    path += "?format=csv&role=" + name;
                }
                else if (route.StartsWith("exports/", StringComparison.Ordinal))
                {
                    path = path.Replace("{id}", (await UserExportTests.DoneAsync(server, "format=csv&role=" + name)).Value("id"), StringComparison.Ordinal);
                }
                else if (method == "DELETE" && route.StartsWith("roles", StringComparison.Ordinal))
                {
                    await server.RoleAsync(name);
                }

                object? content = body switch
                {
                    null => null,
                    "NDJSON" => new StringContent($$"""{"email":"{{name}}@example.com","passwordHash":"{{Hash}}"}""", Encoding.UTF8, "application/x-ndjson"),
                    _ => body.Replace("EMAIL", name + "@example.com", StringComparison.Ordinal),
                };
                var answer = await server.SendAsync(new HttpMethod(method), path.Replace("{id}", person.Id, StringComparison.Ordinal), content, token);
                var got = (int)answer.Status switch
                {
                    >= 200 and < 300 => 'S',
                    401 => 'U',
                    403 when answer.Value("errorCode") == "forbidden" => 'F',
                    403 when answer.Value("errorCode") == "insufficient_scope" => 'I',
                    _ => '?',
                };
                if (got != expected[caller])
                {
                    wrong.Add($"{method} {route} by caller {caller}: {expected[caller]} expected, {(int)answer.Status} {answer.Text}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    // Whoever comes: what they bring decides.
    private static readonly string[] Open =
    [
        "GET api/identity", "POST register", "POST login", "POST login/code", "POST login/passkey", "POST login/push", "POST login/enrol/totp", "POST login/enrol/passkey", "POST refresh-token", "POST logout", "POST otp/generate", "POST otp/verify",
        "POST password/forgot", "POST password/reset", "POST sso/openam",

        // A device's key, which proves more than a token would.
        "GET devices/sign-ins", "POST devices/sign-ins/{id}/approve", "POST devices/sign-ins/{id}/deny",
    ];

    // A person's own, by their own token; there is no id of anybody in them that is not looked up among theirs.
    private static readonly string[] Own =
    [
        "POST password/change", "POST devices", "GET devices", "DELETE devices/{id}", "GET factors", "POST factors/proof", "POST factors/proof/code", "POST factors/proof/passkey", "POST factors/proof/push", "POST factors/push", "PUT factors/push", "POST factors/totp",
        "POST factors/totp/confirm", "POST factors/email", "POST factors/sms", "POST factors/passkeys/options", "POST factors/passkeys", "PUT factors/{id}", "DELETE factors/{id}",
        "POST factors/recovery-codes", "DELETE factors/browsers/{id}", "DELETE factors/browsers",
    ];

    /// <summary>A route that somebody adds belongs in one of the tables: there is no other way past this test.</summary>
    [Fact]
    public void Routes_ThatThereAre_AreAllInATable()
    {
        var routes = server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(endpoint => endpoint.Metadata.GetMetadata<ControllerActionDescriptor>() is not null || endpoint.RoutePattern.RawText!.TrimStart('/').StartsWith("api/", StringComparison.Ordinal))
            .SelectMany(endpoint => (endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["ANY"]).Select(method => (method, Route: endpoint.RoutePattern.RawText!.TrimStart('/').Replace(":guid", "", StringComparison.Ordinal))))
            .Select(route => $"{route.method} {(route.Route.StartsWith("api/identity/", StringComparison.Ordinal) ? route.Route["api/identity/".Length..] : route.Route)}")
            .ToHashSet(StringComparer.Ordinal);
        string[] known = [.. Matrix.Select(row => $"{row.Method} {row.Route}"), .. Open, .. Own];
        Assert.Empty(routes.Except(known));
        Assert.Empty(known.Except(routes));
    }

    [Fact]
    public async Task OwnRoutes_WithoutTheirPerson_AreClosed()
    {
        var service = await server.ServiceTokenAsync("writer", "identity.users.read identity.users.write");
        var wrong = new List<string>();
        foreach (var route in Own)
        {
            var (method, path) = (new HttpMethod(route.Split(' ')[0]), route.Split(' ')[1].Replace("{id}", Guid.NewGuid().ToString(), StringComparison.Ordinal));
            var body = method == HttpMethod.Get || method == HttpMethod.Delete ? null : """{"currentPassword":"a sound pass phrase 7","newPassword":"another pass phrase 8","code":"123456","method":"email","enrolmentToken":"x","passkeyToken":"x","credential":{},"name":"n","deviceId":"d","platform":"android","token":"dGhpcyBpcyBubyByZWFsIHRva2VuIG9mIGFueWJvZHk6eHh4","appId":"com.example.app","withoutPassword":true}""";
            foreach (var (token, expected) in ((string?, HttpStatusCode)[])[(null, HttpStatusCode.Unauthorized), ("nonsense", HttpStatusCode.Unauthorized), (service, HttpStatusCode.Forbidden)])
            {
                var answer = await server.SendAsync(method, path, body, token);
                if (answer.Status != expected)
                {
                    wrong.Add($"{route} by {token?[..Math.Min(8, token.Length)] ?? "nobody"}: {expected} expected, {(int)answer.Status} {answer.Text}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public async Task AccountRoutes_ByAPersonsTokenOfAnotherClient_AreClosed()
    {
        // People lend applications what the scope says, not their office: the administrator's own browser sign-in at a client is no admin token.
        var token = await server.ServiceTokenAsync("reader", "identity.users.read");
        Assert.Equal(HttpStatusCode.OK, (await server.GetAsync("users?limit=1", token)).Status);
        foreach (var (method, path) in ((string, string)[])[("POST", "users"), ("PUT", "roles/x"), ("POST", $"users/{Guid.NewGuid()}/unlock"), ("DELETE", $"users/{Guid.NewGuid()}"), ("GET", $"users/{Guid.NewGuid()}/data")])
        {
            (await server.SendAsync(new HttpMethod(method), path, method is "POST" && path == "users" ? """{"email":"a@example.com"}""" : method == "PUT" ? "{}" : null, token)).AssertFailure(403, "forbidden");
        }
    }

    [Fact]
    public async Task EmptyPost_WithoutAContentType_AtEveryAddress_IsRefusedAndNoFault()
    {
        // Protocol addresses are no routes: OpenIddict answers before there are any.
        string[] addresses =
        [
            "/connect/token", "/connect/par", "/connect/introspect", "/connect/revoke", "/connect/revocation", "/connect/device", "/connect/deviceauthorization", "/connect/userinfo", "/connect/authorize", "/connect/endsession", "/connect/logout",
            .. server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
                .Where(endpoint => endpoint.Metadata.GetMetadata<PageActionDescriptor>() is not null || endpoint.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods.Contains("POST", StringComparer.Ordinal) == true)
                .Select(endpoint => "/" + Parameter().Replace(endpoint.RoutePattern.RawText!.TrimStart('/'), "0198f2a4-6c1e-7d3a-9c55-3f1f1a2b3c4d")),
        ];
        Assert.True(addresses.Length > 80, string.Join(' ', addresses));
        var others = new List<string>();
        foreach (var address in addresses.Distinct(StringComparer.Ordinal))
        {
            var answer = await server.PostAsync(address, body: null, ip: "192.0.2.114");
            if ((int)answer.Status is not (>= 400 and < 500))
            {
                others.Add($"{address} {(int)answer.Status} {answer.Headers.GetValueOrDefault("Location")?.Split('?')[0]}");
            }
        }

        // It needs nothing: a challenge for whatever passkey there is. Pages of a person lead to the sign-in, those of something begun back to where it begins.
        Assert.Single(others, other => other == "/api/identity/login/passkey 200 ");
        Assert.DoesNotContain(others, other => other != "/api/identity/login/passkey 200 " && !other.EndsWith(" 303 /signin", StringComparison.Ordinal) && other != "/external/link 303 /external/problem");
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
