using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.WebUtilities;

namespace Identity.Tests.Api;

/// <summary>An HTTP answer, read to its end.</summary>
public sealed record Answer(HttpStatusCode Status, string Text, string? ContentType, IReadOnlyDictionary<string, string> Headers)
{
    public JsonObject Json => JsonNode.Parse(Text)!.AsObject();

    public static async Task<Answer> ReadAsync(HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        var headers = response.Headers.Concat(response.Content.Headers).ToDictionary(header => header.Key, header => string.Join(", ", header.Value), StringComparer.OrdinalIgnoreCase);
        return new(response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), response.Content.Headers.ContentType?.MediaType, headers);
    }

    public string Value(string name) => (string)Json[name]!;

    /// <summary>Whatever it is, it is not our fault.</summary>
    public void AssertNoFault() => Assert.True((int)Status < 500, $"{(int)Status}: {Text}");

    /// <summary>The contract's failure: these four members, nothing else, as JSON.</summary>
    public JsonNode AssertFailure(int status, string errorCode)
    {
        Assert.True((int)Status == status, $"{(int)Status} instead of {status}: {Text}");
        Assert.Equal("application/json", ContentType);
        var expected = new List<string> { "statusCode", "message", "error", "errorCode" };
        if (status == 500)
        {
            expected.Add("traceId");
        }

        Assert.Equal(expected, Json.Select(member => member.Key));
        Assert.Equal(status, (int)Json["statusCode"]!);
        Assert.Equal(ReasonPhrases.GetReasonPhrase(status), Value("error"));
        Assert.True(errorCode == Value("errorCode"), $"{Value("errorCode")} instead of {errorCode}: {Text}");
        var message = Json["message"]!;
        Assert.Equal(errorCode == "validation_failed" ? JsonValueKind.Array : JsonValueKind.String, message.GetValueKind());
        return message;
    }

    /// <summary>A body that does not validate: exactly these messages.</summary>
    public void AssertProblems(params string[] messages) =>
        Assert.Equal(messages, AssertFailure(400, "validation_failed").AsArray().Select(message => (string)message!));

    public void AssertOk() => Assert.True(Status == HttpStatusCode.OK, $"{(int)Status}: {Text}");
}
