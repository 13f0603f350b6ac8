// RFC 6749 §6 and RFC 9700 §4.14: the ad-hoc authorization of OpenIddict is the refresh family; its row holds the generation.
using Identity.Accounts;
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Identity.Accounts.Sessions;
using Identity.OAuth.Authorize;
using Identity.OAuth.Clients;
using Identity.OAuth.Storage;
using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;
using OpenIddict.Server;

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

/// <summary>A family that somebody holds a token of, with what it hangs on, as they were at one moment.</summary>
/// <param name="Family">It may be revoked or expired.</param>
/// <param name="Session">Live; null: it has ended or expired, or its account is not active.</param>
/// <param name="Account">The session's; null where there is no session.</param>
/// <param name="IsDenied">Its grant is in the deny list (a code that came again denies what it led to), or what the person allowed its client.</param>
public sealed record PresentedFamily(RefreshFamily Family, Session? Session, Account? Account, bool IsDenied)
{
    /// <summary>What reading the request's token has found already.</summary>
    public static PresentedFamily? Of(OpenIddictServerTransaction transaction) => transaction.GetProperty<PresentedFamily>(typeof(PresentedFamily).FullName!);

    public void KeepIn(OpenIddictServerTransaction transaction) => transaction.SetProperty(typeof(PresentedFamily).FullName!, this);
}

/// <summary>Refresh families. Rotation is one conditional UPDATE.</summary>
public sealed class RefreshFamilies(StoreDatabase database, ClientStore clients, IDenyList denyList)
{
    // By the moment at which it is done: one that waited at a server that stood still, and was done after its sender gave up, begins its window then.
    private readonly string _rotation =
        $$"""UPDATE authorizations SET generation = {0}, rotated_at = {{database.Dialect.NotBefore("{1}")}} WHERE id = {2} AND generation = {3} AND revoked_at IS NULL AND expires_at > {1}""";

    // Compiled once, and one statement for all that a refresh depends on: round trips are most of what it costs.
    private readonly Func<IdentityDbContext, Guid, string, string, DateTimeOffset, DateTimeOffset, CancellationToken, Task<PresentedRow?>> _findPresented =
        EF.CompileAsyncQuery((IdentityDbContext context, Guid id, string grant, string consent, DateTimeOffset began, DateTimeOffset now, CancellationToken token) =>
            context.Authorizations
                .Where(family => family.Id == id)
                .LeftJoin(context.Sessions, family => family.SessionId, session => session.Id, (family, session) => new { family, session })
                .LeftJoin(context.Accounts, both => both.session!.AccountId, account => account.Id, (both, account) => new PresentedRow(
                    both.family,
                    both.session,
                    account,
                    context.DenyEntries.Any(entry => (entry.Id == grant || entry.Id == consent) && entry.GrantedUntil >= began && entry.ExpiresAt > now)))
                .FirstOrDefault());

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

    /// <summary>The family with what it hangs on, in one statement (and a question to Redis, where denied grants are kept there).</summary>
    /// <param name="id">The family's.</param>
    /// <param name="now">Of the request.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="consent">Where it may be denied besides: <see cref="Consents.ConsentService.DenyId"/>. Taking that back kills families, so only a code, whose family may be about to be written, asks.</param>
    public async Task<PresentedFamily?> FindPresentedAsync(Guid id, DateTimeOffset now, CancellationToken cancellationToken, string? consent = null)
    {
        var (grant, began) = (id.ToString("N"), AuthorizationGrant.BeganAt(id));
        if (await database.ReadAsync((context, token) => _findPresented(context, id, grant, consent ?? grant, began, now, token), cancellationToken) is not { Family.SessionId: not null } row)
        {
            return null;
        }

        var isLive = row is { Session.EndedAt: null, Account.IsActive: true } && row.Session.ExpiresAt > now;
        return new PresentedFamily(
            Map(row.Family),
            isLive ? SqlSessionStore.Map(row.Session!) : null,
            isLive ? SqlAccountStore.Map(row.Account!) : null,
            denyList.IsInDatabase ? row.IsDenied : await denyList.IsDeniedAsync(consent is null ? [grant] : new[] { grant, consent }, began, cancellationToken));
    }

    /// <summary>
    /// Moves the family from <paramref name="generation"/> to the next one, if it is still there, unrevoked and unexpired.
    /// True for exactly one caller per generation.
    /// </summary>
    /// <param name="id">The family's.</param>
    /// <param name="generation">The one that was presented.</param>
    /// <param name="now">The moment it counts from, unless the server is slow.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <param name="atMost">How long a database server is waited for; null: as ever.</param>
    public async Task<bool> TryRotateAsync(Guid id, int generation, DateTimeOffset now, CancellationToken cancellationToken, TimeSpan? atMost = null)
    {
        object[] values = [generation + 1, database.Dialect.Time(now), database.Dialect.Id(id), generation];
        return await database.WriteAsync(
            (context, token) =>
            {
                if (atMost is { } limit && !database.IsEmbedded)
                {
                    context.Database.SetCommandTimeout(limit);
                }

                return context.Database.ExecuteSqlRawAsync(_rotation, values, token);
            },
            cancellationToken) == 1;
    }

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

    private sealed record PresentedRow(OAuthAuthorization Family, SessionRow? Session, AccountRow? Account, bool IsDenied);
}
