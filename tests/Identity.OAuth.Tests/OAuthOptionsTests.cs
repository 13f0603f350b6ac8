using Microsoft.Extensions.Options;

namespace Identity.OAuth.Tests;

public sealed class OAuthOptionsTests
{
    [Theory]
    [InlineData("PUBLIC_URL")]
    [InlineData("JWT_ACCESS_EXPIRY")]
    [InlineData("JWT_REFRESH_EXPIRY")]
    [InlineData("JWT_SECRET")]
    [InlineData("MASTER_KEY")]
    [InlineData("CodeLifetime")]
    [InlineData("KeyRotation")]
    public async Task Setting_ThatCannotBeUsed_IsNamedInOneLine(string setting)
    {
        await using var host = new OAuthHost(options =>
        {
            switch (setting)
            {
                case "PUBLIC_URL": options.Issuer += "/"; break;
                case "JWT_ACCESS_EXPIRY": options.AccessTokenLifetime = TimeSpan.FromDays(2); break;
                case "JWT_REFRESH_EXPIRY": options.RefreshTokenLifetime = TimeSpan.Zero; break;
                case "JWT_SECRET": options.CompatibilitySecret = new byte[31]; break;
                case "MASTER_KEY": options.RefreshTokenKey = []; break;
                case "CodeLifetime": options.CodeLifetime = TimeSpan.FromSeconds(61); break;
                default: options.KeyRotation = options.KeyPublishAhead; break;
            }
        });
        var failure = Assert.Throws<OptionsValidationException>(() => host.Get<IOptions<OAuthOptions>>().Value);
        Assert.StartsWith(setting + ": ", Assert.Single(failure.Failures), StringComparison.Ordinal);
    }
}
