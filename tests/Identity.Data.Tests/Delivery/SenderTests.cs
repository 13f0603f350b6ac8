using System.Collections.Concurrent;
using System.Net;
using System.Net.Mail;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Identity.Accounts.Delivery;
using Identity.Accounts.Delivery.Mail;
using Identity.Accounts.Delivery.Sms;
using Identity.ServiceDefaults.Settings;
using Identity.Tests.Kit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Identity.Data.Tests.Delivery;

public sealed class SenderTests : IDisposable
{
    private static readonly byte[] s_secret = Encoding.ASCII.GetBytes("0123456789abcdef0123456789abcdef");

    private readonly string _folder = Directory.CreateTempSubdirectory("identity-delivery-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Mail_WhenWrittenToAFile_IsAMessageThatMailProgramsRead()
    {
        var sender = new FileMailSender(Files(), TimeProvider.System, NullLogger<FileMailSender>.Instance);
        await sender.SendAsync(new("ann@example.com", "Ihr Bestätigungscode – für Änne", "Code: 123456\nGrüße", "<p>Code: <b>123456</b></p>"), default);
        var file = Assert.Single(Directory.GetFiles(_folder));
        Assert.EndsWith(".eml", file);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }

        var parsed = await ParseAsync(file);
        Assert.Equal("ann@example.com", (string)parsed["to"]!);
        Assert.Equal("Ihr Bestätigungscode – für Änne", (string)parsed["subject"]!);
        Assert.Equal("multipart/alternative", (string)parsed["type"]!);
        Assert.Equal(["text/plain", "text/html"], parsed["parts"]!.AsArray().Select(part => (string)part!["type"]!));
        Assert.Contains("Grüße", (string)parsed["parts"]![0]!["text"]!);
        Assert.Contains("<b>123456</b>", (string)parsed["parts"]![1]!["text"]!);
        Assert.Equal([], parsed["defects"]!.AsArray());
    }

    [Fact]
    public async Task Mail_WhenASubjectOrNameIsLong_StaysWithinTheLineLimit()
    {
        var sender = new FileMailSender(Files(), TimeProvider.System, NullLogger<FileMailSender>.Instance);
        var subject = string.Concat(Enumerable.Repeat("Überraschung 🎉 ", 40));
        await sender.SendAsync(new("ann@example.com", subject, new string('x', 5000)), default);
        var file = Assert.Single(Directory.GetFiles(_folder));
        Assert.All(await File.ReadAllLinesAsync(file), line => Assert.True(line.Length <= 998));
        var parsed = await ParseAsync(file);
        Assert.Equal(subject.Trim(), ((string)parsed["subject"]!).Trim());
        Assert.Equal(5000, ((string)parsed["parts"]![0]!["text"]!).Trim().Length);
    }

    [Theory]
    [InlineData("ann@example.com\r\nBcc: eve@example.com")]
    [InlineData("nobody")]
    public async Task Mail_WhenTheAddressIsNone_IsRefused(string to)
    {
        var sender = new FileMailSender(Files(), TimeProvider.System, NullLogger<FileMailSender>.Instance);
        await Assert.ThrowsAsync<FormatException>(() => sender.SendAsync(new(to, "s", "t"), default));
        using var server = new TinySmtpServer();
        var settings = new DeliverySettings { OutboxDirectory = _folder, From = new MailAddress("no-reply@example.com"), Smtp = new() { Host = "127.0.0.1", Port = server.Port } };
        await Assert.ThrowsAsync<MessageRefusedException>(() => new SmtpMailSender(settings, TimeProvider.System, NullLogger<SmtpMailSender>.Instance).SendAsync(new(to, "s", "t"), default));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task Mail_WhenTheSubjectHoldsALineBreak_MakesNoHeader()
    {
        var sender = new FileMailSender(Files(), TimeProvider.System, NullLogger<FileMailSender>.Instance);
        await sender.SendAsync(new("ann@example.com", "s\r\nBcc: eve@example.com", "t"), default);
        Assert.DoesNotContain(await File.ReadAllLinesAsync(Assert.Single(Directory.GetFiles(_folder))), line => line.StartsWith("Bcc", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Messages_WhenHandedOverTwiceUnderOneId_AreOneFile()
    {
        var id = Guid.CreateVersion7();
        var mail = new FileMailSender(Files(), TimeProvider.System, NullLogger<FileMailSender>.Instance);
        var sms = new FileSmsSender(Files(), TimeProvider.System, NullLogger<FileSmsSender>.Instance);
        for (var i = 0; i < 2; i++)
        {
            await mail.SendAsync(new("ann@example.com", "s", "t", Id: id), default);
            await sms.SendAsync(new("+4915112345678", null, "Code: 123456", Id: id), default);
        }

        Assert.Equal(2, Directory.GetFiles(_folder).Length);
        var json = JsonNode.Parse(await File.ReadAllTextAsync(Assert.Single(Directory.GetFiles(_folder, "*.json"))))!;
        Assert.Equal("+4915112345678", (string)json["to"]!);
        Assert.Equal("Code: 123456", (string)json["text"]!);
    }

    [Fact]
    public async Task Mail_WhenSmtpUrlIsSet_IsHandedToTheServer()
    {
        using var server = new TinySmtpServer();
        var settings = new DeliverySettings { OutboxDirectory = _folder, From = new MailAddress("no-reply@example.com", "Identity"), Smtp = new() { Host = "127.0.0.1", Port = server.Port } };
        var sender = new SmtpMailSender(settings, TimeProvider.System, NullLogger<SmtpMailSender>.Instance);
        var id = Guid.CreateVersion7();
        await sender.SendAsync(new("ann@example.com", "Grüße", "Code: 123456", "<b>123456</b>", id), default);
        var message = Assert.Single(server.Messages);
        Assert.Contains("RCPT TO:<ann@example.com>", message);
        Assert.Contains($"<{id:N}@example.com>", message);
        Assert.Contains("multipart/alternative", message);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task Mail_WhenTheServerIsBusyOnce_IsSentAgain()
    {
        using var server = new TinySmtpServer { Refusals = 1 };
        var settings = new DeliverySettings { OutboxDirectory = _folder, From = new MailAddress("no-reply@example.com"), Smtp = new() { Host = "127.0.0.1", Port = server.Port } };
        await new SmtpMailSender(settings, TimeProvider.System, NullLogger<SmtpMailSender>.Instance).SendAsync(new("ann@example.com", "s", "t"), default);
        Assert.Single(server.Messages);
    }

    [Fact]
    public async Task Mail_WhenTheServerRefusesTheAddress_IsRefusedForGoodAtOnce()
    {
        using var server = new TinySmtpServer { Unknown = "gone@example.com" };
        var settings = new DeliverySettings { OutboxDirectory = _folder, From = new MailAddress("no-reply@example.com"), Smtp = new() { Host = "127.0.0.1", Port = server.Port } };
        var sender = new SmtpMailSender(settings, TimeProvider.System, NullLogger<SmtpMailSender>.Instance);
        var refused = await Assert.ThrowsAsync<MessageRefusedException>(() => sender.SendAsync(new("gone@example.com", "s", "t"), default));
        Assert.DoesNotContain("gone", refused.Message);
        Assert.Equal(1, server.Connections);
    }

    // Told to stop while the server has not said a word: nothing of the mail left. Told so while it has the mail and does not say yes: it is heard out.
    [Theory]
    [InlineData("greeting", 0)]
    [InlineData("data", 1)]
    public async Task Mail_WhenToldToStop_IsEndedBeforeItIsOnItsWayAndNotAfter(string slow, int sent)
    {
        var (reached, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        using var server = new TinySmtpServer
        {
            Pause = at =>
            {
                if (at == slow)
                {
                    reached.TrySetResult();
                    return goOn.Task;
                }

                return Task.CompletedTask;
            },
        };
        var settings = new DeliverySettings { OutboxDirectory = _folder, From = new MailAddress("no-reply@example.com"), Smtp = new() { Host = "127.0.0.1", Port = server.Port } };
        using var stop = new CancellationTokenSource();
        var sending = new SmtpMailSender(settings, TimeProvider.System, NullLogger<SmtpMailSender>.Instance).SendAsync(new("ann@example.com", "s", "t"), stop.Token);
        await reached.Task;
        await stop.CancelAsync();
        if (sent == 0)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
            goOn.SetResult();
        }
        else
        {
            goOn.SetResult();
            await sending;
        }

        Assert.Equal(sent, server.Messages.Count);
    }

    [Fact]
    public async Task Mail_WhenStartTlsIsRequiredAndNotOffered_DoesNotLeave()
    {
        using var server = new TinySmtpServer();
        var settings = new DeliverySettings { OutboxDirectory = _folder, From = new MailAddress("no-reply@example.com"), Smtp = new() { Host = "127.0.0.1", Port = server.Port, Tls = SmtpTls.StartTls } };
        await Assert.ThrowsAnyAsync<Exception>(() => new SmtpMailSender(settings, TimeProvider.System, NullLogger<SmtpMailSender>.Instance).SendAsync(new("ann@example.com", "s", "t"), default));
        Assert.Empty(server.Messages);
    }

    [Fact]
    public async Task Sms_WhenTheGatewayFailsOnce_IsSentAgainUnderOneIdAndSigned()
    {
        await using var gateway = await Gateway.StartAsync(attempt => attempt == 1 ? 503 : 200);
        using var sender = Webhook(gateway);
        await sender.SendAsync(new("+4915112345678", null, "Code: 123456"), default);
        Assert.Equal(2, gateway.Requests.Count);
        Assert.Single(gateway.Requests.Select(request => request.Key).Distinct());
        Assert.All(gateway.Requests, request =>
        {
            var parts = request.Signature.Split(',').Select(part => part.Split('=', 2)).ToDictionary(part => part[0], part => part[1]);
            var expected = HMACSHA256.HashData(s_secret, Encoding.UTF8.GetBytes(parts["t"] + "." + request.Body));
            Assert.Equal(Convert.ToHexStringLower(expected), parts["v1"]);
            Assert.InRange(long.Parse(parts["t"]), DateTimeOffset.UtcNow.AddMinutes(-1).ToUnixTimeSeconds(), DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeSeconds());
            Assert.Equal("Code: 123456", (string)JsonNode.Parse(request.Body)!["text"]!);
        });
    }

    [Theory]
    [InlineData(400, 1)]
    [InlineData(422, 1)]
    [InlineData(307, 3)]
    [InlineData(401, 3)]
    [InlineData(403, 3)]
    [InlineData(404, 3)]
    [InlineData(429, 3)]
    [InlineData(500, 3)]
    public async Task Sms_WhenTheGatewayRefuses_IsTriedAgainUnlessItIsTheMessage(int status, int attempts)
    {
        await using var gateway = await Gateway.StartAsync(_ => status);
        using var sender = Webhook(gateway);
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => sender.SendAsync(new("+4915112345678", null, "Code: 123456"), default));
        Assert.Equal(attempts == 1, failure is MessageRefusedException);
        Assert.DoesNotContain("123456", failure.ToString());
        Assert.Equal(attempts, gateway.Requests.Count);
    }

    [Fact]
    public async Task Sms_WhenTheGatewayNeverAnswers_IsGivenUpInTime()
    {
        await using var gateway = await Gateway.StartAsync(_ => null);
        using var sender = Webhook(gateway, TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAsync<HttpRequestException>(() => sender.SendAsync(new("+4915112345678", null, "t"), default).WaitAsync(TimeLimit.Patience));
    }

    private static WebhookSmsSender Webhook(Gateway gateway, TimeSpan? timeout = null) => new(
        new DeliverySettings
        {
            OutboxDirectory = "unused",
            From = new MailAddress("no-reply@example.com"),
            SmsWebhook = new() { Url = gateway.Url, Secret = s_secret, Timeout = timeout ?? TimeSpan.FromSeconds(5), RetryDelays = [TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1)] },
        },
        TimeProvider.System,
        NullLogger<WebhookSmsSender>.Instance);

    private DeliverySettings Files() => new() { OutboxDirectory = _folder, From = new MailAddress("no-reply@example.com", "Identität") };

    // Python's parser: an independent reader of RFC 5322 that says what is wrong with a message.
    private static async Task<JsonNode> ParseAsync(string file)
    {
        const string Script = """
            import email, email.policy, json, sys
            m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
            parts = [p for p in m.walk() if not p.is_multipart()]
            print(json.dumps({'to': m['to'], 'subject': m['subject'], 'type': m.get_content_type(),
                'parts': [{'type': p.get_content_type(), 'text': p.get_content()} for p in parts],
                'defects': [str(d) for p in m.walk() for d in p.defects]}))
            """;
        System.Diagnostics.Process process;
        try
        {
            process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("python3", ["-c", Script, file]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false })!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("Python is not installed");
            throw;
        }

        using (process)
        {
            var output = await process.StandardOutput.ReadToEndAsync();
            var error = await process.StandardError.ReadToEndAsync();
            Assert.True(output.Length > 0, error);
            return JsonNode.Parse(output)!;
        }
    }

    private sealed record SmsRequest(string Body, string Signature, string Key);

    private sealed class Gateway(WebApplication app) : IAsyncDisposable
    {
        public ConcurrentQueue<SmsRequest> Requests { get; } = new();

        public Uri Url => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/sms");

        public static async Task<Gateway> StartAsync(Func<int, int?> answer)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            var gateway = new Gateway(app);
            app.MapPost("/sms", async context =>
            {
                var body = await new StreamReader(context.Request.Body).ReadToEndAsync();
                gateway.Requests.Enqueue(new(body, context.Request.Headers["Identity-Signature"].ToString(), context.Request.Headers["Idempotency-Key"].ToString()));
                if (answer(gateway.Requests.Count) is { } status)
                {
                    context.Response.StatusCode = status;
                    context.Response.Headers.Location = "/sms";
                }
                else
                {
                    await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                }
            });
            await app.StartAsync();
            return gateway;
        }

        public async ValueTask DisposeAsync() => await app.DisposeAsync();
    }

    /// <summary>As much of RFC 5321 as a client needs to hand over a mail.</summary>
    private sealed class TinySmtpServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public TinySmtpServer()
        {
            _listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public int Refusals { get; set; }

        /// <summary>Nobody here is called that.</summary>
        public string? Unknown { get; init; }

        /// <summary>Before a <c>greeting</c>, and before the yes to <c>data</c>.</summary>
        public Func<string, Task> Pause { get; init; } = _ => Task.CompletedTask;

        public int Connections { get; private set; }

        public ConcurrentQueue<string> Messages { get; } = new();

        public void Dispose() => _listener.Dispose();

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    await ServeAsync(client);
                }
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException or IOException)
            {
                // Disposed.
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            using var reader = new StreamReader(client.GetStream(), Encoding.UTF8);
            await using var writer = new StreamWriter(client.GetStream(), new UTF8Encoding(false)) { NewLine = "\r\n", AutoFlush = true };
            var message = new StringBuilder();
            Connections++;
            await Pause("greeting");
            await writer.WriteLineAsync("220 tiny");
            while (await reader.ReadLineAsync() is { } line)
            {
                message.AppendLine(line);
                if (line == "DATA")
                {
                    await writer.WriteLineAsync("354 go");
                    while (await reader.ReadLineAsync() is { } data && data != ".")
                    {
                        message.AppendLine(data);
                    }

                    await Pause("data");
                    Messages.Enqueue(message.ToString());
                }
                else if (Unknown is not null && line.StartsWith("RCPT", StringComparison.Ordinal) && line.Contains(Unknown, StringComparison.Ordinal))
                {
                    await writer.WriteLineAsync("550 nobody of that name");
                    continue;
                }
                else if (line.StartsWith("MAIL", StringComparison.Ordinal) && Refusals > 0)
                {
                    Refusals--;
                    await writer.WriteLineAsync("451 later");
                    continue;
                }

                await writer.WriteLineAsync(line == "QUIT" ? "221 bye" : "250 ok");
                if (line == "QUIT")
                {
                    return;
                }
            }
        }
    }
}
