using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Consents;
using Identity.OAuth.Device;
using Identity.OAuth.DPoP;
using Identity.OAuth.EndSession;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Keys;
using Identity.OAuth.Refresh;
using Identity.OAuth.Resources;
using Identity.OAuth.Sessions;
using Identity.OAuth.Storage;
using Identity.OAuth.Token;
using Identity.OAuth.Tokens;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Identity.OAuth;

/// <summary>Composition of the authorization server. The host adds accounts and stores.</summary>
public static class OAuthServiceCollectionExtensions
{
    public static IServiceCollection AddIdentityOAuth(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<OAuthOptions>().ValidateOnStart();
        services.AddSingleton<IValidateOptions<OAuthOptions>, OAuthOptionsValidation>();

        services.TryAddSingleton<PrivateKeySource>(SigningKey.Generate);
        services.AddSingleton<OutageTraces>();
        services.AddSingleton<KeyRing>();
        services.AddSingleton<ResourceCatalog>();
        services.TryAddSingleton<IClientKeySource, RegisteredClientKeys>();
        services.AddSingleton<ClientSignatures>();
        services.AddSingleton<PrivateKeyJwt>();
        services.AddSingleton<RequestObjects>();
        services.AddSingleton<CertificateProof>();
        services.AddSingleton<ServerNonces>();
        services.AddSingleton<ProofCheck>();
        services.AddSingleton<Possession>();
        services.AddSingleton<RefreshTokenHandle>();
        services.AddSingleton<VerifiedSignatures>();
        services.AddSingleton<AccessTokenValidator>();
        services.AddSingleton<IdTokenHintReader>();
        services.AddSingleton<Subjects>();
        services.AddSingleton<SignInSessions>();
        services.AddSingleton<SessionState>();
        services.AddSingleton<ConsentService>();
        services.AddSingleton<AuthorizeRules>();
        services.AddSingleton<AuthorizeDecision>();
        services.AddSingleton<PushedRequests>();
        services.AddSingleton<EndSessionEndpoint>();
        services.AddSingleton<LogoutNotices>();
        services.AddSingleton<LogoutToken>();
        services.AddSingleton<FrontChannelLogout>();
        services.AddSingleton<FamilyBeginning>();
        services.AddSingleton<ReplayedCodes>();
        services.AddSingleton<FirstPartyTokens>();

        // A grant exists because it is registered here, and is allowed in OAuthServer.
        services.AddSingleton<AuthorizationCodeGrant>();
        services.AddSingleton<ITokenGrant>(provider => provider.GetRequiredService<AuthorizationCodeGrant>());
        services.AddSingleton<RefreshTokenGrant>();
        services.AddSingleton<ITokenGrant>(provider => provider.GetRequiredService<RefreshTokenGrant>());
        services.AddSingleton<ITokenGrant, ClientCredentialsGrant>();
        services.AddSingleton<ITokenGrant, DeviceCodeGrant>();
        services.AddSingleton<OpenAmExchange>();
        services.AddSingleton<ITokenGrant, TokenExchangeGrant>();
        services.AddOAuthServer();
        return services;
    }
}

/// <summary>One line per setting that cannot be used.</summary>
internal sealed class OAuthOptionsValidation : IValidateOptions<OAuthOptions>
{
    public ValidateOptionsResult Validate(string? name, OAuthOptions options)
    {
        var problems = new List<string>();
        if (!Uri.TryCreate(options.Issuer, UriKind.Absolute, out var issuer) || options.Issuer.EndsWith('/') || issuer.Query.Length > 0 || issuer.Fragment.Length > 0 || issuer.UserInfo.Length > 0)
        {
            problems.Add("PUBLIC_URL: expected an absolute address without query, fragment or trailing slash, like https://id.example.com");
        }

        else if (issuer.Scheme != "https" && issuer.Scheme != "http")
        {
            problems.Add("PUBLIC_URL: expected https (or http in Development)");
        }

        Between(options.AccessTokenLifetime, TimeSpan.FromSeconds(10), AccessTokenClaims.MaximumLifetime, "JWT_ACCESS_EXPIRY: expected 10s to 7d");
        Between(options.RefreshTokenLifetime, TimeSpan.FromSeconds(10), TimeSpan.FromDays(365), "JWT_REFRESH_EXPIRY: expected 10s to 365d");
        Between(options.RefreshGrace, TimeSpan.Zero, TimeSpan.FromMinutes(1), "OAuth:RefreshGrace: expected 0s to 1m");
        Between(options.CodeLifetime, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60), "OAuth:CodeLifetime: expected 1s to 60s");
        Between(options.DeviceCodeLifetime, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(30), "OAuth:DeviceCodeLifetime: expected 1m to 30m");
        Between(options.DevicePollInterval, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60), "OAuth:DevicePollInterval: expected 1s to 60s");
        Between(options.IdTokenLifetime, TimeSpan.FromSeconds(10), TimeSpan.FromDays(1), "OAuth:IdTokenLifetime: expected 10s to 24h");
        Between(options.ClockSkew, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(59), "OAuth:ClockSkew: expected 10s to 59s");
        Between(options.KeyPublishAhead, TimeSpan.FromMinutes(2), TimeSpan.FromDays(90), "OAuth:KeyPublishAhead: expected 2m to 90d");
        Between(options.KeyRotation, options.KeyPublishAhead * 2, TimeSpan.FromDays(3650), "OAuth:KeyRotation: expected at least twice OAuth:KeyPublishAhead, and at most 3650d");

        if (options.LongPushesPerAddress < 1)
        {
            problems.Add("LongPushesPerAddress: expected 1 or more");
        }

        if (options.CompatibilitySecret is { Length: < 32 })
        {
            problems.Add("JWT_SECRET: expected 32 bytes or more");
        }

        if (options.RefreshTokenKey.Length < 32)
        {
            problems.Add("MASTER_KEY: the refresh token key is missing");
        }

        return problems.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(problems);

        void Between(TimeSpan value, TimeSpan least, TimeSpan most, string problem)
        {
            if (value < least || value > most)
            {
                problems.Add(problem);
            }
        }
    }
}
