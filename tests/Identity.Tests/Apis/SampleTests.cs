using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Identity.Tests.Kit;
using Identity.Tests.Repository;

namespace Identity.Tests.Apis;

/// <summary>The samples of docs/protect-an-api.md, each started as its reader would start it, and called.</summary>
[Collection(ApiTestGroup.Name)]
public sealed class SampleTests(ApiWorld world)
{
    [Theory]
    [InlineData("aspnetcore-api")]
    [InlineData("express-api")]
    [InlineData("flask-api")]
    [InlineData("go-api")]
    public async Task Sample_WhenCalled_LetsInWhatIsForItAndNothingElse(string sample)
    {
        await using var program = await StartAsync(sample);
        var notes = new Uri(program.Address, "/notes");
        var (status, _, body) = await ApiWorld.CallAsync(notes, await world.ServiceTokenAsync("notes.read"));
        Assert.True(status == HttpStatusCode.OK, $"{(int)status} {body} {program.Output}");
        Assert.Equal(("app", "buy milk"), ((string?)JsonNode.Parse(body)!["caller"], (string?)JsonNode.Parse(body)!["notes"]![0]));
        Assert.Equal(HttpStatusCode.Created, (await ApiWorld.CallAsync(notes, await world.ServiceTokenAsync("notes.write"), HttpMethod.Post)).Status);

        (status, var challenge, _) = await ApiWorld.CallAsync(notes, await world.ServiceTokenAsync("notes.read"), HttpMethod.Post);
        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Contains("insufficient_scope", challenge, StringComparison.Ordinal);
        (status, challenge, _) = await ApiWorld.CallAsync(notes, token: null);
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (status, challenge));

        foreach (var (what, token) in await world.BadTokensAsync(ApiWorld.Notes))
        {
            (status, challenge, body) = await ApiWorld.CallAsync(notes, token);
            Assert.True(status == HttpStatusCode.Unauthorized, $"{what}: {(int)status} {body} {program.Output}");
            Assert.Contains("invalid_token", challenge, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("notes")]
    [InlineData("opaque")]
    [InlineData("old-rs256")]
    public async Task ApacheFront_WhenCalled_LetsInWhatIsForItAndNothingElse(string name)
    {
        ForeignProgram.Require(File.Exists("/usr/lib/apache2/modules/mod_auth_openidc.so"), "apache2, libapache2-mod-auth-openidc");
        var api = ApiWorld.All.Single(candidate => candidate.Name == name);
        var directory = Directory.CreateTempSubdirectory("identity-apache-test-");
        await File.WriteAllTextAsync(Path.Combine(directory.FullName, "notes"), "buy milk");
        await using (var program = await ForeignProgram.StartAsync(
            "/usr/sbin/apache2",
            ["-f", Path.Combine(RepositoryRoot.Path, "samples", "apache-front", "httpd.conf"), "-D", "FOREGROUND"],
            new Dictionary<string, string>
            {
                ["ISSUER"] = world.Issuer,
                ["AUDIENCE"] = api.Identifier,
                ["SCOPE"] = api.Read.Replace(".", "\\.", StringComparison.Ordinal),
                ["CLIENT_ID"] = api.Identifier,
                ["CLIENT_SECRET"] = ApiWorld.Secret,
                ["RUN_DIR"] = directory.FullName,
            }))
        {
            var notes = new Uri(program.Address, "/notes");
            var good = await world.ServiceTokenAsync(api.Read);
            var (status, challenge, body) = await ApiWorld.CallAsync(notes, good);
            Assert.True((status, body) == (HttpStatusCode.OK, "buy milk"), $"{(int)status} {body} {program.Output} {await ReadAsync("error.log")}");

            (status, challenge, body) = await ApiWorld.CallAsync(notes, await world.ServiceTokenAsync(api.Write));
            Assert.True(status == HttpStatusCode.Forbidden, $"{(int)status} {body}");
            Assert.Contains("insufficient_scope", challenge, StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.Unauthorized, (await ApiWorld.CallAsync(notes, token: null)).Status);
            foreach (var (what, token) in await world.BadTokensAsync(api))
            {
                // The server is asked: it knows its own tokens, whichever of its keys and formats they have.
                if (what is not ("another of our typs" or "another of our algorithms"))
                {
                    (status, _, body) = await ApiWorld.CallAsync(notes, token);
                    Assert.True(status == HttpStatusCode.Unauthorized, $"{what}: {(int)status} {body}");
                }
            }

            await world.RevokeAsync(good);
            Assert.Equal(HttpStatusCode.Unauthorized, (await ApiWorld.CallAsync(notes, good)).Status);
        }

        directory.Delete(recursive: true);

        async Task<string> ReadAsync(string file) => File.Exists(Path.Combine(directory.FullName, file)) ? await File.ReadAllTextAsync(Path.Combine(directory.FullName, file)) : "";
    }

    /// <summary>Microsoft.AspNetCore.Authentication.OpenIdConnect, the relying party that most .NET applications are.</summary>
    [Fact]
    public async Task AspNetCoreWeb_WhenSomebodyVisits_SignsThemInAndOut()
    {
        await using var program = await StartDotNetAsync(
            "aspnetcore-web", new Dictionary<string, string> { ["ISSUER"] = world.Issuer, ["CLIENT_ID"] = "web", ["CLIENT_SECRET"] = ApiWorld.Secret }, world.WebPort);
        using var browser = new Browser(world.Server.Url);
        var home = new Uri(program.Address, "/");

        // Challenged, sent to sign in, and back with a code that the handler redeems.
        using var challenged = await browser.GetAsync(home.AbsoluteUri);
        Assert.Equal(HttpStatusCode.Redirect, challenged.StatusCode);
        var authorize = challenged.Headers.Location!;
        var request = RunningServer.Query(authorize);

        // The handler pushes its request where the server announces that it may.
        Assert.StartsWith("urn:ietf:params:oauth:request_uri:", request["request_uri"], StringComparison.Ordinal);
        using var asked = await browser.GetAsync(authorize.AbsoluteUri);
        var returnUrl = await browser.SignInAtAsync(asked.Headers.Location!, "ada@example.com", ApiWorld.Password);
        using var answered = await browser.GetAsync(new Uri(world.Server.Url, returnUrl).AbsoluteUri);
        Assert.StartsWith(program.Address.AbsoluteUri + "signin-oidc?code=", answered.Headers.Location!.AbsoluteUri, StringComparison.Ordinal);
        using var signedIn = await browser.GetAsync(answered.Headers.Location.AbsoluteUri);
        Assert.True(signedIn.StatusCode == HttpStatusCode.Redirect, $"{(int)signedIn.StatusCode} {program.Output}");
        using var page = await browser.GetAsync(home.AbsoluteUri);
        Assert.Equal("ada@example.com", (string?)JsonNode.Parse(await page.Content.ReadAsStringAsync())!["email"]);

        // A code from somewhere else, or the same one again, signs nobody in.
        using var replayed = await browser.GetAsync(answered.Headers.Location.AbsoluteUri);
        Assert.NotEqual(HttpStatusCode.Redirect, replayed.StatusCode);

        // A page with a button, since an address bar posts nothing.
        using var button = await browser.GetAsync(new Uri(program.Address, "/sign-out").AbsoluteUri);
        Assert.Contains("<form method=post>", await button.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var signingOut = await browser.SendAsync(new HttpRequestMessage(HttpMethod.Post, new Uri(program.Address, "/sign-out")));
        Assert.Equal("/connect/endsession", signingOut.Headers.Location!.AbsolutePath);
        using var ended = await browser.GetAsync(signingOut.Headers.Location.AbsoluteUri);
        Assert.StartsWith(program.Address.AbsoluteUri + "signout-callback-oidc?state=", ended.Headers.Location!.AbsoluteUri, StringComparison.Ordinal);
        using var back = await browser.GetAsync(ended.Headers.Location.AbsoluteUri);
        Assert.Equal("/signed-out", back.Headers.Location!.OriginalString);

        // Signed out there and here: the next visit asks for the password again.
        using var again = await browser.GetAsync(home.AbsoluteUri);
        using var asksAgain = await browser.GetAsync(again.Headers.Location!.AbsoluteUri);
        Assert.StartsWith("/signin", asksAgain.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    private async Task<ForeignProgram> StartAsync(string sample)
    {
        var settings = new Dictionary<string, string> { ["ISSUER"] = world.Issuer, ["AUDIENCE"] = ApiWorld.Notes.Identifier };
        switch (sample)
        {
            case "aspnetcore-api":
                return await StartDotNetAsync(sample, settings, Ports.Free());
            case "express-api":
                return await ForeignProgram.StartNodeAsync("samples/express-api", "server.mjs", settings);
            case "flask-api":
                ForeignProgram.Require(await ForeignProgram.RunAsync("/usr/bin/python3", ["-c", "import flask, jwt, cryptography"]) is null, "python3-flask, python3-jwt, python3-cryptography");
                return await ForeignProgram.StartAsync("/usr/bin/python3", ["samples/flask-api/app.py"], settings);
            default:
                ForeignProgram.Require(Directory.Exists("/usr/share/gocode/src/github.com/coreos/go-oidc") && File.Exists("/usr/bin/go"), "golang-go, golang-github-coreos-go-oidc-dev");
                var binary = Path.Combine(Directory.CreateTempSubdirectory("identity-go-test-").FullName, "notes-api");
                var problem = await ForeignProgram.RunAsync("go", ["build", "-o", binary, "samples/go-api/main.go"], new Dictionary<string, string> { ["GO111MODULE"] = "off", ["GOPATH"] = "/usr/share/gocode" });
                Assert.True(problem is null, problem);
                return await ForeignProgram.StartAsync(binary, [], settings);
        }
    }

    // The solution builds it; so does this project, by a reference that takes nothing from it.
    private static Task<ForeignProgram> StartDotNetAsync(string sample, Dictionary<string, string> settings, int port)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        var path = Path.Combine(RepositoryRoot.Path, "samples", sample, "bin", output.Parent!.Name, output.Name);
        var assembly = Directory.GetFiles(path, "Samples.*.dll").Single();
        return ForeignProgram.StartAsync("dotnet", [assembly, "--urls", string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}")], settings, port);
    }
}
