// RFC 7662, RFC 6749 §10.10: follows our TokenClaims, in the place of OpenIddict's reference access tokens, which are on for all tokens or none.
using Identity.Accounts.Data.Tables;
using Identity.OAuth.FirstParty;
using Identity.OAuth.Token;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Tokens;

/// <summary>Where the API asks for reference tokens: the token is a name. Only its hash is kept, and the claims without a signature: whoever reads the table can use neither.</summary>
internal sealed class ReferenceToken(IOptions<OAuthOptions> options, IOpenIddictTokenStore<OAuthToken> tokens, TimeProvider timeProvider) : IOpenIddictServerHandler<GenerateTokenContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<GenerateTokenContext>()
        .AddFilter<RequireReferenceFormat>()
        .UseScopedHandler<ReferenceToken>()
        .SetOrder(TokenClaims.Descriptor.Order + 100)
        .Build();

    public async ValueTask HandleAsync(GenerateTokenContext context)
    {
        var issue = TokenIssue.Of(context.Transaction)!;
        var now = timeProvider.GetUtcNow();
        var claims = TokenClaims.OfAccessToken(context, issue, options.Value, now);
        var value = SecureValue.Create();
        await tokens.CreateAsync(
            new OAuthToken
            {
                Id = Guid.CreateVersion7(now),
                ReferenceId = SecureValue.Hash(value),
                Payload = claims.ToJsonString(),
                Type = TokenTypeIdentifiers.AccessToken,
                Status = Statuses.Valid,
                Subject = issue.SubjectId,
                CreationDate = now.UtcDateTime,
                ExpirationDate = DateTimeOffset.FromUnixTimeSeconds((long)claims["exp"]!).UtcDateTime,
            },
            context.CancellationToken);
        context.Token = value;
    }
}

/// <summary>An access token for an API that asks for reference tokens; our own client's are always JWTs.</summary>
internal sealed class RequireReferenceFormat : IOpenIddictServerHandlerFilter<GenerateTokenContext>
{
    public static bool IsReference(TokenIssue issue) => issue.Target.Format.AccessTokenFormat == "reference" && issue.Client.ClientId != FirstPartyClient.ClientId;

    public ValueTask<bool> IsActiveAsync(GenerateTokenContext context) =>
        new(context.TokenType == TokenTypeIdentifiers.AccessToken && TokenIssue.Of(context.Transaction) is { } issue && IsReference(issue));
}
