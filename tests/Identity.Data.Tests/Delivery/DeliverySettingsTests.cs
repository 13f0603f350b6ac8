using Identity.ServiceDefaults.Settings;
using Microsoft.Extensions.Configuration;

namespace Identity.Data.Tests.Delivery;

public sealed class DeliverySettingsTests
{
    [Fact]
    public void Settings_WhenNothingIsSet_WriteFilesUnderTheDataDirectory()
    {
        var settings = Read([], out var problems)!;
        Assert.Empty(problems);
        Assert.Equal(Path.GetFullPath(Path.Combine("data", "outbox")), settings.OutboxDirectory);
        Assert.Null(settings.Smtp);
        Assert.Null(settings.SmsWebhook);
    }

    [Theory]
    [InlineData("smtp://mail.example.com", "mail.example.com", 25, SmtpTls.Off, null, null)]
    [InlineData("smtp://u%40x:p%2Fw@mail.example.com:2525", "mail.example.com", 2525, SmtpTls.Off, "u@x", "p/w")]
    [InlineData("smtp://u:p@mail.example.com?starttls=required", "mail.example.com", 587, SmtpTls.StartTls, "u", "p")]
    [InlineData("smtps://u:p@mail.example.com", "mail.example.com", 465, SmtpTls.Implicit, "u", "p")]
    [InlineData("smtp+starttls://u:p:q@mail.example.com:25", "mail.example.com", 25, SmtpTls.StartTls, "u", "p:q")]
    public void SmtpUrl_WhenItIsOne_IsRead(string url, string host, int port, SmtpTls tls, string? user, string? password)
    {
        var smtp = Read(new() { ["SMTP_URL"] = url }, out var problems)!.Smtp!;
        Assert.Empty(problems);
        Assert.Equal((host, port, tls, user, password), (smtp.Host, smtp.Port, smtp.Tls, smtp.UserName, smtp.Password));
        Assert.DoesNotContain("p", smtp.ToString().Replace("example", "").Replace("smtp", ""));
    }

    [Theory]
    [InlineData("SMTP_URL", "mail.example.com")]
    [InlineData("SMTP_URL", "http://mail.example.com")]
    [InlineData("SMTP_URL", "smtp://mail.example.com/path")]
    [InlineData("SMTP_URL", "smtp://user@mail.example.com")]
    [InlineData("SMTP_URL", "smtp://mail.example.com?starttls=maybe")]
    [InlineData("SMTP_URL", "smtps://u:canary@mail.example.com?starttls=required")]
    [InlineData("MAIL_FROM", "nobody")]
    [InlineData("MAIL_FROM", "a@b.c\r\nBcc: d@e.f")]
    [InlineData("SMS_WEBHOOK_URL", "http://sms.example.com/send")]
    [InlineData("SMS_WEBHOOK_URL", "https://u:canary@sms.example.com/send")]
    [InlineData("SMS_WEBHOOK_SECRET", "short")]
    public void Settings_WhenOneCannotBeUsed_AreRefusedInOneLineThatNamesIt(string name, string value)
    {
        var values = new Dictionary<string, string?> { [name] = value };
        if (name.StartsWith("SMS", StringComparison.Ordinal))
        {
            values.TryAdd("SMS_WEBHOOK_URL", "https://sms.example.com/send");
            values.TryAdd("SMS_WEBHOOK_SECRET", "0123456789abcdef");
        }

        Assert.Null(Read(values, out var problems));
        var problem = Assert.Single(problems);
        Assert.StartsWith(name + ": ", problem);
        Assert.Contains("expected", problem);
        Assert.DoesNotContain('\n', problem);
        Assert.DoesNotContain("canary", problem);
    }

    [Theory]
    [InlineData("amqp://guest:guest@localhost", 1)]
    [InlineData("amqps://u:p@a.example.com:5671/vhost, amqp://u:p@b.example.com", 2)]
    public void RabbitMqUris_WhenTheyAreSome_AreReadInOrder(string text, int count)
    {
        var problems = new List<string>();
        var settings = RabbitMqSettings.Read(Configuration(new() { ["RABBITMQ_URIS"] = text }), problems)!;
        Assert.Empty(problems);
        Assert.Equal(count, settings.Uris.Count);
        Assert.All(settings.Uris, uri => Assert.DoesNotContain("@", RabbitMqSettings.Describe(uri)));
    }

    [Theory]
    [InlineData("localhost:5672")]
    [InlineData("http://u:canary@localhost")]
    [InlineData("amqp://u:p@localhost,canary")]
    [InlineData(",")]
    public void RabbitMqUris_WhenOneIsNone_AreRefusedWithoutRepeatingIt(string text)
    {
        var problems = new List<string>();
        Assert.Null(RabbitMqSettings.Read(Configuration(new() { ["RABBITMQ_URIS"] = text }), problems));
        var problem = Assert.Single(problems);
        Assert.StartsWith("RABBITMQ_URIS: expected", problem);
        Assert.DoesNotContain("canary", problem);
    }

    internal static DeliverySettings? Read(Dictionary<string, string?> values, out List<string> problems)
    {
        problems = [];
        return DeliverySettings.Read(Configuration(values), problems);
    }

    private static IConfiguration Configuration(Dictionary<string, string?> values) => new ConfigurationBuilder().AddInMemoryCollection(values).Build();
}
