// RFC 6749 §10.10: replaces OpenIddict's Protection.AttachTokenPayload, which writes a row for the second time.
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Clients;
using Identity.OAuth.Refresh;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlerFilters;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Tokens;

/// <summary>Writes the row once, with its payload and the hash of its reference; a code together with the family it begins.</summary>
internal sealed class WriteTokenEntry(IOpenIddictTokenStore<OAuthToken> tokens, ClientStore clients) : IOpenIddictServerHandler<GenerateTokenContext>
{
    private const int Attempts = 8;

    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<GenerateTokenContext>()
        .AddFilter<RequireTokenEntryCreated>()
        .UseScopedHandler<WriteTokenEntry>()
        .SetOrder(Protection.AttachTokenPayload.Descriptor.Order)
        .Build();

    public async ValueTask HandleAsync(GenerateTokenContext context)
    {
        var entry = context.ClientId is { } clientId ? await clients.FindEntryAsync(clientId, context.CancellationToken) : null;
        var row = new OAuthToken
        {
            Id = Guid.Parse(context.Principal.GetTokenId()!),
            ApplicationId = entry is { IsBuiltIn: false } ? entry.Application.Id : null,
            AuthorizationId = context.Principal.GetAuthorizationId() is { Length: > 0 } authorization ? Guid.Parse(authorization) : null,
            Type = context.TokenType,
            Status = context.TokenType == TokenTypeIdentifiers.Private.DeviceCode ? Statuses.Inactive : Statuses.Valid,
            Subject = context.TokenType is TokenTypeIdentifiers.Private.DeviceCode or TokenTypeIdentifiers.Private.UserCode ? null : context.Principal.GetClaim(Claims.Subject),
            CreationDate = context.Principal.GetCreationDate()?.UtcDateTime,
            ExpirationDate = context.Principal.GetExpirationDate()?.UtcDateTime,
            Payload = context.PersistTokenPayload ? context.Token : null,
        };
        var family = context.TokenType == TokenTypeIdentifiers.Private.AuthorizationCode ? AttachFamily.Pending(context.Transaction) : null;
        if (!context.IsReferenceToken)
        {
            await ((TokenStore)tokens).CreateAsync(row, family, context.CancellationToken);
            return;
        }

        // A user code is short, so another may have the same while it lives.
        for (var attempt = 1; ; attempt++)
        {
            var reference = context.TokenType == TokenTypeIdentifiers.Private.UserCode ? UserCodes.Create() : SecureValue.Create();
            row.ReferenceId = SecureValue.Hash(reference);
            try
            {
                await ((TokenStore)tokens).CreateAsync(row, family, context.CancellationToken);
                context.Token = reference;
                return;
            }
            catch (DbUpdateException) when (attempt < Attempts && context.TokenType == TokenTypeIdentifiers.Private.UserCode)
            {
                // Taken: another one.
            }
        }
    }
}
