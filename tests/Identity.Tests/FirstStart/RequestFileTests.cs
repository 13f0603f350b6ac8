using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Tests.Repository;
using OtpNet;

namespace Identity.Tests.FirstStart;

/// <summary>
/// requests/*.http, sent from top to bottom to a server that was started for the first time, as a reader sends them. What the reader has to fill in is filled in
/// from where the file says that it is found: the console, the mails in data/outbox, a browser's address, an authenticator app.
/// </summary>
public sealed class RequestFileTests
{
    public static TheoryData<string> Files => [.. Directory.GetFiles(Path.Combine(RepositoryRoot.Path, "requests"), "*.http").Select(file => Path.GetFileName(file)!)];

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Requests_WhenSentToAServerThatWasJustStarted_AreAnsweredAsTheFileSays(string name)
    {
        await using var server = await FirstStartServer.StartAsync();
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        var answers = new Dictionary<string, HttpFile.Answer>(StringComparer.Ordinal);
        var problems = new List<string>();
        var parts = HttpFile.Parse(Path.Combine(RepositoryRoot.Path, "requests", name));
        Assert.True(parts.OfType<HttpFile.Request>().Count() > 20);
        foreach (var part in parts)
        {
            try
            {
                if (part is HttpFile.Variable variable)
                {
                    variables[variable.Name] = variable.Name == "host" ? server.Address.AbsoluteUri.TrimEnd('/')
                        : variable.IsFilledIn ? await FillInAsync(server, variable.Name, variables, answers)
                        : variable.Value;
                }
                else if (part is HttpFile.Request request)
                {
                    problems.AddRange(await SendAsync(http, server.Address, request, variables, answers));
                }
            }
            catch (Exception exception) when (exception is Xunit.Sdk.XunitException or TimeoutException)
            {
                problems.Add($"{part.Line}: {exception.Message}");
            }
        }

        Assert.True(problems.Count == 0, string.Join('\n', problems.Select(problem => $"{name}:{problem}")));
    }

    private static async Task<IReadOnlyList<string>> SendAsync(HttpClient http, Uri server, HttpFile.Request request, Dictionary<string, string> variables, Dictionary<string, HttpFile.Answer> answers)
    {
        for (var attempt = 1; ; attempt++)
        {
            using var message = Message(request, variables, answers);
            var (status, body, headers) = await FollowAsync(http, server, message);
            if (status == request.NotYet && attempt < 900)
            {
                await Task.Delay(100);
                continue;
            }

            if (request.Name is not null)
            {
                answers[request.Name] = new(body, headers);
            }

            if (request.Status is null)
            {
                return [$"{request.Line}: \"{request.Title}\" says no status; it is {status}"];
            }

            var said = $"{request.Line}: \"{request.Title}\" got {status} {(body.Length > 300 ? body[..300] : body)}";
            return status != request.Status || (request.Code is not null && !HasCode(body, request.Code)) ? [said] : [];
        }
    }

    private static bool HasCode(string body, string code) =>
        JsonNode.Parse(body) is JsonObject answer && ((string?)answer["errorCode"] == code || (string?)answer["error"] == code);

    private static HttpRequestMessage Message(HttpFile.Request request, Dictionary<string, string> variables, Dictionary<string, HttpFile.Answer> answers)
    {
        var message = new HttpRequestMessage(new HttpMethod(request.Method), HttpFile.Resolve(request.Url, variables, answers));
        var type = "";
        foreach (var (header, value) in request.Headers)
        {
            var resolved = HttpFile.Resolve(value, variables, answers);
            if (header.Equals("Content-Type", StringComparison.OrdinalIgnoreCase))
            {
                type = resolved;
            }
            else
            {
                Assert.True(message.Headers.TryAddWithoutValidation(header, resolved));
            }
        }

        if (request.Body is { } body)
        {
            message.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(HttpFile.Resolve(body, variables, answers)));
        }

        if (type.Length > 0)
        {
            message.Content ??= new ByteArrayContent([]);
            message.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        }

        return message;
    }

    // Both clients follow redirects; where one leads to an application, nobody is there.
    private static async Task<(int Status, string Body, Dictionary<string, string> Headers)> FollowAsync(HttpClient http, Uri server, HttpRequestMessage message)
    {
        var answer = await http.SendAsync(message);
        while (answer.StatusCode is HttpStatusCode.Redirect or HttpStatusCode.SeeOther && new Uri(message.RequestUri!, answer.Headers.Location!) is var next && next.Authority == server.Authority)
        {
            answer.Dispose();
            answer = await http.GetAsync(next);
        }

        using (answer)
        {
            var headers = answer.Headers.Concat(answer.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase);
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(), headers);
        }
    }

    private static async Task<string> FillInAsync(FirstStartServer server, string variable, Dictionary<string, string> variables, Dictionary<string, HttpFile.Answer> answers) => variable switch
    {
        "service_secret" => server.ServiceSecret,
        "admin_password" => server.AdminPassword,
        "verification_code" => await server.ReadCodeAsync(variables["email"]),
        "new_address_code" => await server.ReadCodeAsync(variables["new_email"]),
        "reset_code" => await server.ReadCodeAsync("grace@example.com"),
        "app_code" => new Totp(Base32Encoding.ToBytes((string)JsonNode.Parse(answers["totp"].Body)!["secret"]!)).ComputeTotp(TimeProvider.System.GetUtcNow().UtcDateTime),
        "authorization_code" => await AuthorizeAsync(server, variables),
        _ => throw new Xunit.Sdk.XunitException("The test does not know where " + variable + " is found."),
    };

    // Opens the address of the file in a browser, registers, allows, and reads the code off the address that the browser ends at.
    private static async Task<string> AuthorizeAsync(FirstStartServer server, Dictionary<string, string> variables)
    {
        using var browser = new Browser(server.Address);
        var callback = await PersonAtBrowser.AuthorizeAsync(browser, HttpFile.Resolve(variables["authorize"], variables, new Dictionary<string, HttpFile.Answer>(StringComparer.Ordinal)), "admin@localhost.local", server.AdminPassword);
        return RunningServer.Query(callback)["code"];
    }
}
