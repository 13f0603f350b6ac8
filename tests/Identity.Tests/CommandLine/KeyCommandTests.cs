using Identity.OAuth.Keys;
using Microsoft.Extensions.DependencyInjection;

namespace Identity.Tests.CommandLine;

/// <summary>identity keys, beside a server that runs on the same database.</summary>
public sealed class KeyCommandTests
{
    [Fact]
    public async Task Keys_WhenRotated_ArePublishedAheadAndOnlyOnce()
    {
        using var shell = await Shell.MigratedAsync();
        await using var server = await shell.ServeAsync();
        var before = (await shell.RunAsync("keys", "list", "--json")).Done().Json.AsArray();
        Assert.Equal(SigningKey.SupportedAlgorithms.Order(), before.Select(key => (string)key!["algorithm"]!).Order());
        Assert.All(before, key => Assert.Equal("signing", (string?)key!["state"]));

        var next = Assert.Single((await shell.RunAsync("keys", "rotate", "--algorithm", "ES256", "--json")).Done().Json.AsArray())!;
        Assert.InRange((DateTimeOffset)next["signsFrom"]! - TimeProvider.System.GetUtcNow(), TimeSpan.FromHours(47), TimeSpan.FromHours(48));
        Assert.Equal("next", (string?)(await shell.RunAsync("keys", "list", "--json")).Done().Json.AsArray().Single(key => (string?)key!["kid"] == (string?)next["kid"])!["state"]);
        Assert.Contains("published already", (await shell.RunAsync("keys", "rotate", "--algorithm", "ES256")).Refused(), StringComparison.Ordinal);

        var soon = Assert.Single((await shell.RunAsync("keys", "rotate", "--algorithm", "ES256", "--now", "--json")).Done().Json.AsArray())!;
        Assert.InRange((DateTimeOffset)soon["signsFrom"]! - TimeProvider.System.GetUtcNow(), TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1));

        // The node looks again, and publishes both; what is private is nowhere.
        var ring = server.Services.GetRequiredService<KeyRing>();
        await ring.RefreshAsync(TestContext.Current.CancellationToken);
        using var http = new HttpClient { BaseAddress = server.Url };
        var jwks = await http.GetStringAsync("/connect/jwks", TestContext.Current.CancellationToken);
        Assert.Contains((string)next["kid"]!, jwks, StringComparison.Ordinal);
        Assert.Contains((string)soon["kid"]!, jwks, StringComparison.Ordinal);
        Assert.DoesNotContain("rotectedKey", (await shell.RunAsync("keys", "list", "--json")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Key_WhenFiftyRotateAtOnce_IsMadeOnce()
    {
        using var shell = await Shell.MigratedAsync();
        await using var server = await shell.ServeAsync();
        var ring = server.Services.GetRequiredService<KeyRing>();
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => ring.RotateAsync("ES256", soon: true, TestContext.Current.CancellationToken))));
        Assert.Single(outcomes.OfType<KeyRotation.Made>());
        Assert.Equal(49, outcomes.OfType<KeyRotation.NextIsThere>().Count());
    }
}
