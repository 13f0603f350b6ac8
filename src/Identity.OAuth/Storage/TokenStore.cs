// OpenIddict's token store on EF Core: reads without joins and tracking, writes through the one grouped writer where there is one.
using Identity.Accounts.Data;
using Identity.Accounts.Data.Tables;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.EntityFrameworkCore;

namespace Identity.OAuth.Storage;

/// <summary>Rows of codes, device and user codes, pushed requests and reference tokens.</summary>
internal sealed class TokenStore(
    IMemoryCache cache,
    IOpenIddictEntityFrameworkCoreContext context,
    IOptionsMonitor<OpenIddictEntityFrameworkCoreOptions> options,
    StoreDatabase database,
    TokenQueries queries,
    TimeProvider timeProvider) : OpenIddictEntityFrameworkCoreTokenStore<OAuthToken, OAuthApplication, OAuthAuthorization, Guid>(cache, context, options)
{
    // OpenIddict's handlers ask for the code of a request four times over. A store lives as long as the request, and what decides is the conditional UPDATE.
    private OAuthToken? _last;

    public override ValueTask<OAuthToken> InstantiateAsync(CancellationToken cancellationToken) => new(new OAuthToken { Id = Guid.CreateVersion7(timeProvider.GetUtcNow()) });

    public override async ValueTask CreateAsync(OAuthToken token, CancellationToken cancellationToken) => await CreateAsync(token, authorization: null, cancellationToken);

    /// <summary>Both rows in one commit.</summary>
    public Task CreateAsync(OAuthToken token, OAuthAuthorization? authorization, CancellationToken cancellationToken) => database.TransactAsync(
        (context, cancellation) =>
        {
            if (authorization is not null)
            {
                context.Add(authorization);
            }

            context.Add(token);
            return context.SaveChangesAsync(cancellation);
        },
        cancellationToken);

    public override async ValueTask UpdateAsync(OAuthToken token, CancellationToken cancellationToken)
    {
        try
        {
            await WriteAsync(
                (context, cancellation) =>
                {
                    context.Attach(token);
                    token.ConcurrencyToken = Guid.NewGuid().ToString();
                    context.Update(token);
                    return context.SaveChangesAsync(cancellation);
                },
                cancellationToken);
        }
        catch (DbUpdateConcurrencyException exception)
        {
            throw new OpenIddictExceptions.ConcurrencyException("The token was changed meanwhile.", exception);
        }
    }

    public override async ValueTask<OAuthToken?> FindByIdAsync(string identifier, CancellationToken cancellationToken)
    {
        if (!Guid.TryParse(identifier, out var id))
        {
            return null;
        }

        return _last?.Id == id ? _last : _last = await database.ReadAsync((context, token) => queries.ById(context, id, token), cancellationToken);
    }

    public override async ValueTask<OAuthToken?> FindByReferenceIdAsync(string identifier, CancellationToken cancellationToken) =>
        _last = await database.ReadAsync((context, token) => queries.ByReference(context, identifier, token), cancellationToken);

    public override ValueTask<string?> GetApplicationIdAsync(OAuthToken token, CancellationToken cancellationToken) => new(token.ApplicationId?.ToString());

    public override ValueTask<string?> GetAuthorizationIdAsync(OAuthToken token, CancellationToken cancellationToken) => new(token.AuthorizationId?.ToString());

    public override ValueTask SetApplicationIdAsync(OAuthToken token, string? identifier, CancellationToken cancellationToken)
    {
        token.ApplicationId = identifier is null ? null : Guid.Parse(identifier);
        return default;
    }

    public override ValueTask SetAuthorizationIdAsync(OAuthToken token, string? identifier, CancellationToken cancellationToken)
    {
        token.AuthorizationId = identifier is null ? null : Guid.Parse(identifier);
        return default;
    }

    /// <summary>RFC 8628: lets a device code that waits stand for what was granted: true for exactly one caller, and while it lives.</summary>
    public async ValueTask<bool> TryApproveAsync(Guid id, string payload, string subject, Guid authorizationId, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var until = now.UtcDateTime;
        return await WriteAsync(
            (context, token) => context.Tokens.Where(r => r.Id == id && r.Status == OpenIddictConstants.Statuses.Inactive && r.ExpirationDate > until)
                .ExecuteUpdateAsync(
                    set => set.SetProperty(r => r.Status, OpenIddictConstants.Statuses.Valid).SetProperty(r => r.Payload, payload).SetProperty(r => r.Subject, subject)
                        .SetProperty(r => r.AuthorizationId, authorizationId).SetProperty(r => r.ConcurrencyToken, Guid.NewGuid().ToString()),
                    token),
            cancellationToken) == 1;
    }

    /// <summary>Notes that a device asked, if nothing happened to its code since <paramref name="token"/> was read: true for exactly one of those who read the same.</summary>
    public async ValueTask<bool> TryNotePollAsync(OAuthToken token, string properties, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(token);
        var (id, before) = (token.Id, token.ConcurrencyToken);
        return await WriteAsync(
            (context, cancellation) => context.Tokens.Where(r => r.Id == id && r.Status == OpenIddictConstants.Statuses.Inactive && r.ConcurrencyToken == before)
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.Properties, properties).SetProperty(r => r.ConcurrencyToken, Guid.NewGuid().ToString()), cancellation),
            cancellationToken) == 1;
    }

    /// <summary>Moves the token from one status to another, if it is in that one: true for exactly one caller.</summary>
    public async ValueTask<bool> TryMoveAsync(Guid id, string from, string to, DateTimeOffset? redeemedAt, CancellationToken cancellationToken)
    {
        var redeemed = redeemedAt?.UtcDateTime;
        return await WriteAsync(
            (context, token) => context.Tokens.Where(r => r.Id == id && r.Status == from)
                .ExecuteUpdateAsync(
                    set => set.SetProperty(r => r.Status, to).SetProperty(r => r.RedemptionDate, r => redeemed ?? r.RedemptionDate).SetProperty(r => r.ConcurrencyToken, Guid.NewGuid().ToString()),
                    token),
            cancellationToken) == 1;
    }

    private Task<int> WriteAsync(Func<IdentityDbContext, CancellationToken, Task<int>> statement, CancellationToken cancellationToken)
    {
        _last = null;
        return database.WriteAsync(statement, cancellationToken);
    }
}

/// <summary>Compiled once a server: a store is made for every request that needs one.</summary>
internal sealed class TokenQueries
{
    public Func<IdentityDbContext, string, CancellationToken, Task<OAuthToken?>> ByReference { get; } =
        EF.CompileAsyncQuery((IdentityDbContext context, string reference, CancellationToken token) => context.Tokens.FirstOrDefault(r => r.ReferenceId == reference));

    public Func<IdentityDbContext, Guid, CancellationToken, Task<OAuthToken?>> ById { get; } =
        EF.CompileAsyncQuery((IdentityDbContext context, Guid id, CancellationToken token) => context.Tokens.FirstOrDefault(r => r.Id == id));
}
