// RFC 6749 §6 and RFC 9700 §4.14: the ad-hoc authorization of OpenIddict is the refresh family; its row holds the generation.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.OAuth.Clients;
using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;

namespace Identity.OAuth.Refresh;

/// <summary>A refresh family: all the refresh tokens that one grant led to.</summary>
/// <param name="Id">Time-ordered (UUIDv7). Also the grant id in the jti of access tokens of this grant.</param>
/// <param name="ClientId">Whom it belongs to.</param>
/// <param name="Subject">The person.</param>
/// <param name="SessionId">The session it dies with.</param>
/// <param name="Scopes">What was granted; a refresh may narrow, never widen.</param>
/// <param name="Resources">The resources granted (RFC 8707), empty for those of the scopes.</param>
/// <param name="Generation">The one generation that is valid, from 1.</param>
/// <param name="RotatedAt">When the generation last changed.</param>
/// <param name="CreatedAt">When the family was made.</param>
/// <param name="ExpiresAt">Absolute end, not renewed by rotation.</param>
/// <param name="RevokedAt">When it was killed; null: never.</param>
/// <param name="Details">JSON the engine keeps with the grant: auth_time, acr, amr, claims request, nonce, the issuing route.</param>
public sealed record RefreshFamily(
    Guid Id,
    string ClientId,
    string Subject,
    string SessionId,
    IReadOnlyList<string> Scopes,
    IReadOnlyList<string> Resources,
    int Generation,
    DateTimeOffset RotatedAt,
    DateTimeOffset CreatedAt,
    DateTimeOffset ExpiresAt,
    DateTimeOffset? RevokedAt,
    string Details);

/// <summary>Refresh families. Rotation is one conditional UPDATE.</summary>
public sealed class RefreshFamilies(StoreDatabase database, ClientStore clients)
{
    private readonly Func<IdentityDbContext, Guid, CancellationToken, Task<OAuthAuthorization?>> _find =
        EF.CompileAsyncQuery((IdentityDbContext context, Guid id, CancellationToken token) => context.Authorizations.FirstOrDefault(r => r.Id == id));

    /// <summary>The row, not yet written: who writes it beside another row does both in one transaction.</summary>
    public async ValueTask<OAuthAuthorization> NewAsync(RefreshFamily family, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(family);
        var entry = await clients.FindEntryAsync(family.ClientId, cancellationToken);
        return new OAuthAuthorization
        {
            Id = family.Id,
            ApplicationId = entry is { IsBuiltIn: false } ? entry.Application.Id : null,
            ClientId = family.ClientId,
            Subject = family.Subject,
            SessionId = family.SessionId,
            Scopes = Text.Json(family.Scopes),
            Resources = Text.Json(family.Resources),
            Status = family.RevokedAt is null ? OpenIddictConstants.Statuses.Valid : OpenIddictConstants.Statuses.Revoked,
            Type = OpenIddictConstants.AuthorizationTypes.AdHoc,
            CreationDate = family.CreatedAt.UtcDateTime,
            GrantedAt = family.CreatedAt,
            Generation = family.Generation,
            RotatedAt = family.RotatedAt,
            ExpiresAt = family.ExpiresAt,
            RevokedAt = family.RevokedAt,
            Details = family.Details,
        };
    }

    public async Task CreateAsync(RefreshFamily family, CancellationToken cancellationToken)
    {
        var row = await NewAsync(family, cancellationToken);
        await database.WriteAsync(
            (context, token) =>
            {
                context.Add(row);
                return context.SaveChangesAsync(token);
            },
            cancellationToken);
    }

    public async Task<RefreshFamily?> FindAsync(Guid id, CancellationToken cancellationToken) =>
        await database.ReadAsync((context, token) => _find(context, id, token), cancellationToken) is { SessionId: not null } row ? Map(row) : null;

    /// <summary>
    /// Moves the family from <paramref name="generation"/> to the next one, if it is still there, unrevoked and unexpired.
    /// True for exactly one caller per generation.
    /// </summary>
    public async Task<bool> TryRotateAsync(Guid id, int generation, DateTimeOffset now, CancellationToken cancellationToken) => await database.WriteAsync(
        (context, token) => context.Authorizations
            .Where(r => r.Id == id && r.Generation == generation && r.RevokedAt == null && r.ExpiresAt > now)
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.Generation, generation + 1).SetProperty(r => r.RotatedAt, now), token),
        cancellationToken) == 1;

    /// <summary>Kills the family. Doing it again, or for an unknown id, does nothing.</summary>
    public Task RevokeAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken) => database.WriteAsync(
        (context, token) => context.Authorizations
            .Where(r => r.Id == id && r.RevokedAt == null)
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.RevokedAt, now).SetProperty(r => r.Status, OpenIddictConstants.Statuses.Revoked), token),
        cancellationToken);

    private static RefreshFamily Map(OAuthAuthorization row) => new(
        row.Id,
        row.ClientId,
        row.Subject!,
        row.SessionId!,
        Text.ParseList(row.Scopes!),
        Text.ParseList(row.Resources!),
        row.Generation,
        row.RotatedAt,
        row.GrantedAt,
        row.ExpiresAt!.Value,
        row.RevokedAt,
        row.Details!);
}
