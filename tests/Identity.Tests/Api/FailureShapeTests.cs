using System.Net.Http.Headers;
using System.Text;
using Identity.Accounts.SignIn;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.Api;

public sealed class FailureShapeTests(ApiServer server)
{
    [Theory]
    [InlineData("GET", "nothing")]
    [InlineData("POST", "nothing/at/all")]
    [InlineData("DELETE", "users/1/2")]
    [InlineData("GET", "users/1%2f2/3")]
    [InlineData("POST", "sso/openam")]
    public async Task Path_WhenUnknown_Answers404(string method, string path)
    {
        var answer = await server.SendAsync(new HttpMethod(method), path, body: method == "POST" ? "{}" : null);
        answer.AssertFailure(404, "not_found");
        Assert.DoesNotContain("nothing", answer.Text.Replace("There is nothing at this address.", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "login", "POST")]
    [InlineData("DELETE", "login", "POST")]
    [InlineData("PUT", "register", "POST")]
    [InlineData("GET", "otp/verify", "POST")]
    [InlineData("PATCH", "users/1", "DELETE, GET, HEAD, PUT")]
    [InlineData("POST", "users/1", "DELETE, GET, HEAD, PUT")]
    [InlineData("OPTIONS", "devices", "GET, HEAD, POST")]
    [InlineData("POST", "", "GET, HEAD")]
    [InlineData("BREW", "password/forgot", "POST")]
    public async Task Method_WhenWrong_Answers405WithAllow(string method, string path, string allow)
    {
        var answer = await server.SendAsync(new HttpMethod(method), path, body: null);
        answer.AssertFailure(405, "method_not_allowed");
        Assert.Equal(allow, string.Join(", ", answer.Headers["Allow"].Split(", ").Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData(" ")]
    [InlineData("{")]
    [InlineData("nonsense")]
    [InlineData("{\"email\":\"a@example.com\",}")]
    [InlineData("{\"email\":\"a@example.com\"} x")]
    [InlineData("{'email':1}")]
    [InlineData("{\"email\":\"a@example.com\",\"email\":\"b@example.com\",\"password\":\"x\"}")]
    [InlineData("{\"email\":\"a@example.com\",\"\\u0065mail\":\"b@example.com\",\"password\":\"x\"}")]
    [InlineData("{\"email\":\"\\ud800\",\"password\":\"x\"}")]
    [InlineData("{\"\\ud800\":1,\"\\ud800\":2}")]
    [InlineData("{\"email\":\"a@example.com\\u0000\",\"password\":\"x\"}")]
    [InlineData("{\"a\\u0000\":1}")]
    [InlineData("{\"email\":\"a@example.com\u0000\",\"password\":\"x\"}")]
    [InlineData("\u0000")]
    public async Task Body_WhenBroken_Answers400(string body) => (await server.PostAsync("login", body)).AssertFailure(400, "invalid_json");

    // Valid JSON, but no text: what looks names up and hashes passwords must not trip over it.
    [Fact]
    public async Task Values_WhenTheyAreNoText_AreRefusedLikeAnyOther()
    {
        foreach (var member in (string[])["email", "userName", "username", "phoneNumber"])
        {
            Assert.InRange((int)(await server.PostAsync("login", "{\"" + member + "\":\"\\ufffe\",\"password\":\"\\uffff\\ufffe\"}")).Status, 400, 401);
        }

        (await server.PostAsync("password/forgot", "{\"email\":\"\\ufffe@example.com\"}")).AssertNoFault();
        (await server.PostAsync("otp/generate", "{\"email\":\"\\ufffe@example.com\"}")).AssertNoFault();
        (await server.PostAsync("otp/verify", "{\"email\":\"\\ufffe@example.com\",\"code\":\"\\ufffe\"}")).AssertNoFault();
        (await server.PostAsync("password/reset", "{\"email\":\"\\ufffe@example.com\",\"code\":\"000000\",\"newPassword\":\"a pass phrase \\ufffe\"}")).AssertNoFault();
        var email = $"p{Guid.NewGuid():N}@example.com";
        (await server.PostAsync("register", "{\"email\":\"" + email + "\",\"password\":\"a pass phrase \\ufffe\",\"firstName\":\"\\ufffe\"}")).AssertNoFault();
        (await server.PostAsync("login", "{\"email\":\"" + email + "\",\"password\":\"a pass phrase \\ufffe\"}")).AssertNoFault();
    }

    [Fact]
    public async Task Body_WhenEmpty_SaysSo() => (await server.PostAsync("login", "")).AssertProblems("the body should not be empty");

    // A proxy that does not know how long a body is sends it in pieces, and so one that there is not.
    [Fact]
    public async Task Body_WhenEmptyAndInPieces_SaysSo() =>
        (await server.PostAsync("login", new StreamContent(new Unmeasured([])).WithType("application/json"))).AssertProblems("the body should not be empty");

    [Theory]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("text/plain")]
    [InlineData("application/json")]
    [InlineData(null)]
    public async Task Body_WhenNoneIsNeededAndItIsEmptyAndInPieces_IsNone(string? type)
    {
        var (person, tokens) = await server.SignedInAsync();
        (await server.PostAsync("logout", new StreamContent(new Unmeasured([])).WithType(type), tokens.Access)).AssertOk();
        (await server.GetAsync($"users/{person.Id}", tokens.Access)).AssertFailure(401, "invalid_token");
        var again = await server.LoginAsync(person.Email);
        Assert.Equal(System.Net.HttpStatusCode.NoContent, (await server.SendAsync(HttpMethod.Delete, $"users/{person.Id}", new StreamContent(new Unmeasured([])).WithType(type), again.Access)).Status);
    }

    [Fact]
    public async Task Body_WhenNotUtf8_Answers400()
    {
        using var content = new ByteArrayContent([.. "{\"email\":\""u8, 0xC3, 0x28, .. "\",\"password\":\"x\"}"u8]);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        Assert.Contains("UTF-8", (string)(await server.PostAsync("login", content)).AssertFailure(400, "invalid_json")!, StringComparison.Ordinal);
    }

    // RFC 9110 §15.5.16: whoever compressed the body learns that this is what was not understood, and not that the JSON was wrong.
    [Theory]
    [InlineData("login", "gzip", "application/json")]
    [InlineData("logout", "br", "application/json")]
    [InlineData("users/import", "gzip", "application/x-ndjson")]
    [InlineData("login", "identity, gzip", "application/json")]
    public async Task Body_WhenCompressed_Answers415AndSaysThatNoneIsTaken(string path, string coding, string type)
    {
        var content = new ByteArrayContent([0x1F, 0x8B, 8, 0]).WithType(type);
        content.Headers.TryAddWithoutValidation("Content-Encoding", coding);
        var answer = await server.PostAsync(path, content, (await server.LoginAsync(ApiServer.AdminEmail)).Access);
        Assert.Contains("Content-Encoding", (string)answer.AssertFailure(415, "unsupported_media_type")!, StringComparison.Ordinal);
        Assert.Equal("identity", answer.Headers["Accept-Encoding"]);
    }

    // What older clients write there, which is no compression; and a header that goes along with every request.
    [Theory]
    [InlineData("Identity")]
    [InlineData("utf-8")]
    [InlineData("")]
    public async Task Body_WhenItsCodingIsNoCompression_IsRead(string coding)
    {
        var content = new ByteArrayContent("{}"u8.ToArray()).WithType("application/json");
        content.Headers.TryAddWithoutValidation("Content-Encoding", coding);
        (await server.PostAsync("login", content)).AssertFailure(400, "validation_failed");
    }

    [Theory]
    [InlineData("GET", "users/me", 200)]
    [InlineData("POST", "logout", 200)]
    public async Task Request_WithoutABodyThatSaysItIsCompressed_IsAnswered(string method, string path, int status)
    {
        var (_, tokens) = await server.SignedInAsync();
        var nothing = new ByteArrayContent([]);
        nothing.Headers.ContentLength = 0;
        nothing.Headers.ContentEncoding.Add("gzip");
        var answer = await server.SendAsync(new HttpMethod(method), path, nothing, tokens.Access);
        Assert.True((int)answer.Status == status, $"{(int)answer.Status}: {answer.Text}");
    }

    [Theory]
    [InlineData('[', ']')]
    [InlineData('{', '}')]
    public async Task Body_WhenDeep_Answers400(char open, char close)
    {
        var inner = open == '{' ? string.Concat(Enumerable.Repeat("{\"a\":", 10_000)) + "1" + new string(close, 10_000) : new string(open, 30_000) + new string(close, 30_000);
        (await server.PostAsync("login", "{\"metadata\":" + inner + "}")).AssertFailure(400, "invalid_json");
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("7")]
    [InlineData("\"text\"")]
    public async Task Body_WhenNotAnObject_SaysSo(string body) => (await server.PostAsync("login", body)).AssertProblems("the body must be an object");

    [Theory]
    [InlineData("1e999999")]
    [InlineData("-1e-999999")]
    [InlineData("99999999999999999999999999999999999999999999")]
    public async Task Body_WhenNumbersAreHuge_IsRefusedOrKept(string number)
    {
        (await server.PostAsync("login", $$"""{"email":{{number}},"password":"x"}""")).AssertProblems("email must be a string");
        (await server.PostAsync("logout", $$"""{"allSessions":{{number}}}""")).AssertProblems("allSessions must be a boolean value");
        var (person, tokens) = await server.SignedInAsync();
        var answer = await server.PutAsync($"users/{person.Id}", "{\"metadata\":{\"n\":" + number + "}}", tokens.Access);
        answer.AssertOk();
        Assert.Contains($"\"n\":{number}", answer.Text, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("multipart/form-data; boundary=x")]
    [InlineData("application/xml")]
    [InlineData("application/json; charset=utf-16")]
    [InlineData("application/json; charset=utf-7")]
    [InlineData("application/x-www-form-urlencoded; charset=utf-7")]
    [InlineData("nonsense")]
    [InlineData(null)]
    public async Task ContentType_WhenNotJson_Answers415(string? type)
    {
        foreach (var path in (string[])["login", "logout"])
        {
            (await server.PostAsync(path, new ByteArrayContent("{}"u8.ToArray()).WithType(type))).AssertFailure(415, "unsupported_media_type");
        }
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/json; charset=utf-8")]
    [InlineData("application/json; charset=UTF-8")]
    [InlineData("application/json; charset=\"utf-8\"")]
    [InlineData("application/vnd.api+json")]
    public async Task ContentType_WhenJson_IsRead(string type) =>
        (await server.PostAsync("login", new ByteArrayContent("{}"u8.ToArray()).WithType(type))).AssertFailure(400, "validation_failed");

    [Fact]
    public async Task Body_WhenItBeginsWithAByteOrderMark_IsRead() =>
        (await server.PostAsync("login", new ByteArrayContent([0xEF, 0xBB, 0xBF, .. "{}"u8]).WithType("application/json"))).AssertFailure(400, "validation_failed");

    [Theory]
    [InlineData("login", true)]
    [InlineData("login", false)]
    [InlineData("nothing", true)]
    public async Task Body_WhenOver64KB_Answers413(string path, bool announced)
    {
        HttpContent content = announced
            ? new StringContent("{\"a\":\"" + new string('x', 70_000) + "\"}", Encoding.UTF8, "application/json")
            : new StreamContent(new Endless()).WithType("application/json");
        (await server.PostAsync(path, content)).AssertFailure(413, "body_too_large");
    }

    [Fact]
    public async Task Body_WhenJustUnder64KB_IsRead() =>
        (await server.PostAsync("login", "{\"a\":\"" + new string('x', (64 * 1024) - 8) + "\"}")).AssertFailure(400, "validation_failed");

    [Fact]
    public async Task Unknown_WhenMembersRepeatTheRequest_AreNotReflected()
    {
        var answer = await server.PostAsync("login", """{"email":"<script>alert(1)</script>","password":"x"}""");
        Assert.DoesNotContain("script", answer.Text, StringComparison.Ordinal);
    }

    // Of unknown length, so that it goes in pieces.
    private sealed class Unmeasured(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }

    private sealed class Endless : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            buffer.AsSpan(offset, count).Fill((byte)' ');
            return count;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}

public sealed class OwnFaultTests
{
    [Fact]
    public async Task Fault_WhenOurs_Answers500WithATraceIdAndNothingElse()
    {
        await using var server = await ApiServer.StartAsync([], services => services.AddSingleton<ISignIn, BrokenSignIn>());
        var answer = await server.PostAsync("login", new { email = "a@example.com", password = "x" });
        answer.AssertFailure(500, "internal_error");
        Assert.DoesNotContain("canary", answer.Text, StringComparison.Ordinal);
        Assert.Contains(server.Logs.Lines, line => line.Contains(answer.Value("traceId"), StringComparison.Ordinal) && line.Contains("canary", StringComparison.Ordinal));
    }

    private sealed class BrokenSignIn : ISignIn
    {
        public Task<SignInAttempt> WithPasswordAsync(LoginKind kind, string login, string password, Identity.Accounts.Caller caller, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("canary of a stack trace");
    }
}

internal static class ContentExtensions
{
    public static HttpContent WithType(this HttpContent content, string? type)
    {
        content.Headers.Remove("Content-Type");
        if (type is not null)
        {
            content.Headers.TryAddWithoutValidation("Content-Type", type);
        }

        return content;
    }
}
