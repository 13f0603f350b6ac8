// RFC 6749 §6: replaces OpenIddict's AttachAuthorization. The ad-hoc authorization is the refresh family, and is written with the code in one commit.
using System.Text.Json;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Sessions;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Sessions;
using Identity.OAuth.Token;
using Microsoft.AspNetCore;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Refresh;

/// <summary>Begins a family where a person grants something.</summary>
internal sealed class AttachFamily(FamilyBeginning beginning, IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ProcessSignInContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
        .UseSingletonHandler<AttachFamily>()
        .SetOrder(OpenIddictServerHandlers.AttachAuthorization.Descriptor.Order)
        .Build();

    /// <summary>The row that is still to be written with the code.</summary>
    public static OAuthAuthorization? Pending(OpenIddictServerTransaction transaction) => transaction.GetProperty<OAuthAuthorization>(typeof(OAuthAuthorization).FullName!);

    public async ValueTask HandleAsync(ProcessSignInContext context)
    {
        if (!(context.GenerateAuthorizationCode || context.EndpointType == OpenIddictServerEndpointType.EndUserVerification) || GrantClaim.Read(context.Principal) is not { } grant)
        {
            return;
        }

        context.Principal!.SetAuthorizationId(grant.GrantId.ToString("D"));
        var wait = context.GenerateAuthorizationCode ? options.Value.CodeLifetime : options.Value.DeviceCodeLifetime;
        var row = await beginning.NewAsync(grant, wait, context.Transaction.GetHttpRequest()?.HttpContext.Features.Get<Visitor>()?.Session?.Record, context.CancellationToken);
        context.Transaction.SetProperty(typeof(OAuthAuthorization).FullName!, row);
        if (!context.GenerateAuthorizationCode)
        {
            await beginning.WriteAsync(row, context.CancellationToken);
        }
    }
}

/// <summary>Makes the rows of families, and keeps their session's record as long as them.</summary>
public sealed class FamilyBeginning(RefreshFamilies families, ClientStore clients, SignInSessions sessions, Identity.Accounts.Data.StoreDatabase database, IOptions<OAuthOptions> options)
{
    /// <summary>The row of a grant that begins now, not yet written.</summary>
    /// <param name="grant">What was granted.</param>
    /// <param name="wait">How long it may take until the first tokens come of it.</param>
    /// <param name="known">The session's record as the request read it; null: it read none.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async Task<OAuthAuthorization> NewAsync(AuthorizationGrant grant, TimeSpan wait, Session? known, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(grant);
        var began = AuthorizationGrant.BeganAt(grant.GrantId);
        var client = await clients.FindAsync(grant.ClientId, cancellationToken);

        // Without a refresh token, or with one of a shorter life, the session's record still has to outlive the access token: with it the token would die too early.
        var accessUntil = began + wait + options.Value.AccessTokenLifetime;
        var expiresAt = client is not null && RefreshDue.IsDue(client, grant.Scopes) ? began + options.Value.RefreshTokenLifetime : accessUntil;
        expiresAt = grant.EndsAt is { } end && end < expiresAt ? end : expiresAt;

        // Who got no ID token knows of no sid.
        var isTold = client?.BackChannelLogoutUri is not null && grant.Scopes.Contains(OpenIddictConstants.Scopes.OpenId, StringComparer.Ordinal);
        await sessions.AttachAsync(grant.SessionId, grant.ClientId, isTold, expiresAt > accessUntil ? expiresAt : accessUntil, cancellationToken, known);
        return await families.NewAsync(
            new RefreshFamily(
                grant.GrantId,
                grant.ClientId,
                grant.Subject,
                grant.SessionId,
                grant.Scopes,
                grant.Resources,
                RefreshDue.FirstGeneration,
                RotatedAt: began,
                CreatedAt: began,
                expiresAt,
                RevokedAt: null,
                JsonSerializer.Serialize(grant)),
            cancellationToken);
    }

    public Task WriteAsync(OAuthAuthorization row, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) =>
        {
            context.Add(row);
            return context.SaveChangesAsync(token);
        },
        cancellationToken);
}
