using System.Text.Json.Nodes;

namespace Identity.Tests.Api;

public sealed class OpenApiTests(ApiServer server)
{
    [Theory]
    [InlineData("register", "post", "201", "400", "409", "413", "415", "422", "429", "500", "503")]
    [InlineData("login", "post", "200", "400", "401", "403", "413", "415", "429", "500", "503")]
    [InlineData("refresh-token", "post", "200", "400", "401", "413", "415", "500", "503")]
    [InlineData("logout", "post", "200", "400", "401", "413", "415", "500", "503")]
    [InlineData("sso/openam", "post", "200", "400", "401", "403", "404", "413", "415", "429", "500", "503")]
    [InlineData("otp/generate", "post", "200", "400", "409", "413", "415", "422", "429", "500", "503")]
    [InlineData("login/code", "post", "200", "400", "401", "409", "413", "415", "422", "429", "500", "503")]
    [InlineData("login/passkey", "post", "200", "400", "401", "413", "415", "500", "503")]
    [InlineData("login/enrol/totp", "post", "200", "400", "401", "413", "415", "500", "503")]
    [InlineData("login/enrol/passkey", "post", "200", "400", "401", "413", "415", "500", "503")]
    [InlineData("factors", "get", "200", "401", "403", "500", "503")]
    [InlineData("factors/proof", "post", "200", "400", "401", "403", "413", "415", "429", "500", "503")]
    [InlineData("factors/proof/code", "post", "200", "400", "401", "403", "409", "413", "415", "422", "429", "500", "503")]
    [InlineData("factors/totp/confirm", "post", "201", "400", "401", "403", "409", "413", "415", "422", "500", "503")]
    [InlineData("factors/passkeys", "post", "201", "400", "401", "403", "409", "413", "415", "422", "500", "503")]
    [InlineData("factors/{id}", "put", "200", "400", "401", "403", "404", "413", "415", "500", "503")]
    [InlineData("otp/verify", "post", "200", "400", "401", "413", "415", "429", "500", "503")]
    [InlineData("users/{id}", "get", "200", "401", "403", "404", "500", "503")]
    [InlineData("users/{id}", "put", "200", "400", "401", "403", "404", "409", "412", "413", "415", "429", "500", "503")]
    [InlineData("users/me", "get", "200", "401", "403", "500", "503")]
    [InlineData("users", "get", "200", "400", "401", "403", "500", "503")]
    [InlineData("users", "post", "201", "400", "401", "403", "409", "413", "415", "422", "500", "503")]
    [InlineData("users/{id}", "delete", "204", "400", "401", "403", "404", "409", "412", "413", "415", "500", "503")]
    [InlineData("users/{id}/data", "get", "200", "401", "403", "404", "500", "503")]
    [InlineData("users/{id}/unlock", "post", "200", "400", "401", "403", "404", "409", "422", "500", "503")]
    [InlineData("users/{id}/sign-out", "post", "200", "400", "401", "403", "404", "409", "422", "500", "503")]
    [InlineData("users/{id}/password", "post", "200", "400", "401", "403", "404", "409", "413", "415", "422", "500", "503")]
    [InlineData("imports/{id}", "get", "200", "401", "403", "404", "500", "503")]
    [InlineData("imports/{id}/refusals", "get", "200", "400", "401", "403", "404", "500", "503")]
    [InlineData("roles", "get", "200", "401", "403", "500", "503")]
    [InlineData("roles/{name}", "put", "200", "201", "400", "401", "403", "409", "413", "415", "500", "503")]
    [InlineData("roles/{name}", "delete", "204", "401", "403", "404", "409", "500", "503")]
    [InlineData("password/change", "post", "200", "400", "401", "403", "409", "413", "415", "422", "429", "500", "503")]
    [InlineData("password/forgot", "post", "200", "400", "409", "413", "415", "422", "429", "500", "503")]
    [InlineData("password/reset", "post", "200", "400", "409", "413", "415", "422", "429", "500", "503")]
    [InlineData("devices", "post", "201", "400", "401", "403", "409", "413", "415", "422", "500", "503")]
    public async Task Document_WhenRead_DescribesTheRouteWithExamplesAndFailures(string route, string method, params string[] statuses)
    {
        var document = (await server.GetAsync("/openapi/v1.json")).Json;
        var operation = document["paths"]!["/api/identity/" + route]?[method];
        Assert.NotNull(operation);
        Assert.False(string.IsNullOrEmpty((string?)operation["summary"]));
        Assert.False(string.IsNullOrEmpty((string?)operation["description"]));
        Assert.Equal(statuses, operation["responses"]!.AsObject().Select(response => response.Key).Order(StringComparer.Ordinal));
        foreach (var (status, response) in operation["responses"]!.AsObject())
        {
            if (status == "204")
            {
                continue;
            }

            var content = response!["content"]!["application/json"]!;
            Assert.NotNull(content["schema"]);
            var examples = content["example"] is { } example ? [example] : content["examples"]!.AsObject().Select(pair => pair.Value!["value"]!).ToArray();
            Assert.NotEmpty(examples);
            if (status[0] != '2')
            {
                Assert.All(examples, failure => Assert.Equal(int.Parse(status), (int)failure["statusCode"]!));
            }
        }

        if (method != "get" && operation["requestBody"] is not null)
        {
            Assert.IsType<JsonObject>(operation["requestBody"]!["content"]!["application/json"]!["example"]);
        }

        if (route is "users/{id}" or "password/change" || route.StartsWith("factors", StringComparison.Ordinal))
        {
            Assert.NotEmpty(operation["security"]!.AsArray());
        }
    }
}
