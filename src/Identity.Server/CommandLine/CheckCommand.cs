using System.CommandLine;
using System.Net.Security;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Identity.Accounts.Data;
using Identity.Accounts.Delivery.Mail;
using Identity.Server.External;
using Identity.Server.Hosting;
using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Options;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Identity.Server.CommandLine;

/// <summary><c>identity check</c>: connects to everything that is configured and says in a line each what is wrong. It changes nothing.</summary>
internal static class CheckCommand
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(15);

    public static Command Make(CommandRun run) => run.Check("Connect to everything that is configured and say in a line each what is wrong.", [], async (services, _, cancellationToken) =>
    {
        var findings = await LookAsync(services, cancellationToken);
        if (run.IsJson)
        {
            await run.WriteJsonAsync(new JsonObject
            {
                ["ok"] = findings.All(finding => finding.Problem is null),
                ["checks"] = new JsonArray([.. findings.Select(finding => new JsonObject { ["name"] = finding.Name, ["ok"] = finding.Problem is null, ["problem"] = finding.Problem })]),
            });
        }
        else
        {
            foreach (var (name, problem) in findings)
            {
                await run.Output.WriteLineAsync($"{name}: {problem ?? "ok"}");
            }
        }

        if (findings.Count(finding => finding.Problem is not null) is > 0 and var count)
        {
            await run.Error.WriteLineAsync($"{count} of {findings.Count} checks found a problem.");
            return IdentityCommands.Failed;
        }

        return IdentityCommands.Done;
    });

    private static async Task<List<StoreFinding>> LookAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        var settings = services.GetRequiredService<ServerSettings>();
        var findings = new List<StoreFinding> { new("settings", FindSettingsProblem(services, settings)) };
        var stores = await services.InspectStoresAsync(cancellationToken);
        findings.AddRange(stores[0].Problem is null ? [stores[0] with { Problem = await services.GetRequiredService<StoreDatabase>().FindTrapAsync(cancellationToken) }, .. stores.Skip(1)] : stores);
        foreach (var uri in settings.RabbitMq?.Uris ?? [])
        {
            findings.Add(new("rabbitmq", await FindAsync($"RABBITMQ_URIS: expected a broker at {RabbitMqSettings.Describe(uri)}", token => ConnectAsync(uri, token), cancellationToken)));
        }

        if (settings.Delivery.Smtp is { } smtp)
        {
            findings.Add(new("smtp", await FindAsync($"SMTP_URL: expected a mail server at {smtp}", token => GreetAsync(smtp, token), cancellationToken)));
        }

        if (settings.Delivery.SmsWebhook is { } webhook)
        {
            findings.Add(new("sms", await FindAsync($"SMS_WEBHOOK_URL: expected a server at {webhook.Url.Host}:{webhook.Url.Port}", token => ReachAsync(webhook.Url, token), cancellationToken)));
        }

        // Reached and no more: what they do with a request is not tried, as that would send something.
        (string Name, string Setting, Uri? Url)[] reached =
        [
            ("media", "MEDIA_SERVICE_URL", settings.Exports.MediaServiceUrl),
            ("firebase", "FCM_ENDPOINT", settings.Delivery.Push?.Fcm?.Endpoint),
            ("firebase", "FIREBASE_CREDENTIALS", settings.Delivery.Push?.Fcm?.TokenUri),
            ("apple", "APNS_ENDPOINT", settings.Delivery.Push?.Apns?.Production),
            ("apple", "APNS_SANDBOX_ENDPOINT", settings.Delivery.Push?.Apns?.Sandbox),
        ];
        foreach (var (name, setting, url) in reached)
        {
            if (url is not null)
            {
                findings.Add(new(name, await FindAsync($"{setting}: expected a server at {url.Host}:{url.Port}", token => ReachAsync(url, token), cancellationToken)));
            }
        }

        if (settings.OtlpEndpoint is { } otlp)
        {
            findings.Add(new("telemetry", await FindAsync($"OTEL_EXPORTER_OTLP_ENDPOINT: expected a collector at {otlp.Host}:{otlp.Port}", token => ReachAsync(otlp, token), cancellationToken)));
        }

        var check = services.GetRequiredService<FederationCheck>();
        foreach (var provider in services.GetRequiredService<ExternalProviders>().Shown)
        {
            var found = await check.RunAsync(provider.Name, cancellationToken);
            findings.AddRange(found.Where(finding => finding.IsProblem).Skip(found.Count(finding => finding.IsProblem) > 1 ? 1 : 0).Select(finding => new StoreFinding("federation " + provider.Name, finding.Text)).DefaultIfEmpty(new("federation " + provider.Name, null)));
        }

        findings.Add(new("runtime", RuntimePatch.FindProblem(Environment.Version, RuntimePatch.BuiltWith)));
        return findings;
    }

    private static string? FindSettingsProblem(IServiceProvider services, ServerSettings settings)
    {
        try
        {
            services.GetRequiredService<IStartupValidator>().Validate();
            Seeding.ReadClients(settings, services.GetRequiredService<IConfiguration>());
            Seeding.ReadResources(settings, services.GetRequiredService<IConfiguration>());
            return null;
        }
        catch (Exception exception) when (StartProblem.Lines(exception) is { } lines)
        {
            return lines.ReplaceLineEndings(" ");
        }
    }

    private static async Task<string?> FindAsync(string expected, Func<CancellationToken, Task<string?>> look, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(s_limit);
        try
        {
            return await look(limit.Token) is { } problem ? $"{expected}; {problem}" : null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return $"{expected}; it does not answer within {s_limit.TotalSeconds:0} s.";
        }
        catch (Exception exception) when (exception is SocketException or IOException or System.Security.Authentication.AuthenticationException)
        {
            return $"{expected}; it does not answer: {exception.GetBaseException().Message.ReplaceLineEndings(" ")}";
        }
    }

    private static async Task<string?> ConnectAsync(Uri uri, CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory { Uri = uri, ClientProvidedName = "identity check", AutomaticRecoveryEnabled = false, RequestedConnectionTimeout = TimeSpan.FromSeconds(5) };
        try
        {
            await using var connection = await factory.CreateConnectionAsync(cancellationToken);
            await connection.CloseAsync(cancellationToken);
            return null;
        }
        catch (BrokerUnreachableException exception)
        {
            // What the broker says may quote what it was sent; the kind is enough.
            return exception.InnerException switch
            {
                AuthenticationFailureException or PossibleAuthenticationFailureException => "it refused the sign-in.",
                OperationInterruptedException => "it refused the virtual host.",
                var inner => $"it does not answer: {(inner?.GetBaseException() as SocketException)?.Message ?? inner?.GetType().Name}",
            };
        }
    }

    // RFC 5321 §4.2 and RFC 3207: it greets, and offers STARTTLS where that is asked for. Nobody signs in and no mail is sent.
    // Connects and signs in as for a mail, and sends none.
    private static async Task<string?> GreetAsync(SmtpSettings smtp, CancellationToken cancellationToken)
    {
        try
        {
            using var client = await SmtpMailSender.ConnectAsync(smtp, cancellationToken);
            await client.DisconnectAsync(quit: true, cancellationToken);
            return null;
        }
        catch (NotSupportedException)
        {
            return "it does not offer STARTTLS, or no way to sign in that we know.";
        }
        catch (MailKit.Security.SslHandshakeException)
        {
            return "its certificate is not trusted, or it speaks no TLS there.";
        }
        catch (MailKit.Security.AuthenticationException)
        {
            return "it does not take the user name and password.";
        }
        catch (Exception exception) when (exception is MailKit.ProtocolException or MailKit.CommandException)
        {
            return "what answers there does not greet as a mail server.";
        }
    }

    // Somebody listens, and with https shows a certificate that is trusted. What it does with a request is not tried.
    private static async Task<string?> ReachAsync(Uri url, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(url.IdnHost.Trim('[', ']'), url.Port, cancellationToken);
        if (url.Scheme == "https")
        {
            await using var tls = new SslStream(client.GetStream());
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = url.IdnHost }, cancellationToken);
        }

        return null;
    }
}
