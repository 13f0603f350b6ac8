using Identity.Accounts;
using Identity.Accounts.Administration;
using Identity.Api.Failures;
using Identity.OAuth.Resources;
using Microsoft.AspNetCore.Http;

namespace Identity.Api.Authentication;

/// <summary>What a caller may do with a user.</summary>
/// <param name="Failure">Why nothing; null where something.</param>
/// <param name="IsAdmin">Whether the members kept for administrators too.</param>
internal sealed record Access(Failure? Failure, bool IsAdmin = false);

/// <summary>
/// Who may see or change a user: the user, an administrator, or a client with the scope. A person's token of another client opens
/// no more than that person's own record, and that only with the scope: people lend applications what the scope says, not their office.
/// </summary>
public sealed class UserAccess(IAccountStore accounts, ResourceCatalog resources)
{
    public const string AdminRole = RoleCatalog.Admin;

    internal async Task<Access> CheckAsync(HttpContext context, string userId, string scope)
    {
        var caller = CallerToken.Of(context);
        if (!caller.IsFirstParty && !caller.Has(scope))
        {
            context.Response.Headers.WWWAuthenticate = AccessTokenHandler.Challenge(resources, caller.ByDPoP, ErrorCodes.InsufficientScope, scope);
            return new(new Failure(StatusCodes.Status403Forbidden, ErrorCodes.InsufficientScope, $"The access token lacks the scope {scope}."));
        }

        if (!caller.IsPerson)
        {
            return new(Failure: null);
        }

        var isAdmin = await IsAdminAsync(context, caller);
        var isSelf = caller.AccountId is { } self && Guid.TryParseExact(userId, "D", out var id) && id == self;
        return isSelf || isAdmin ? new(Failure: null, isAdmin) : new(Failure.OfStatus(StatusCodes.Status403Forbidden));
    }

    /// <summary>What is kept for administrators; also for a client that acts for itself and has the scope, where there is one for it.</summary>
    internal async Task<Failure?> CheckAdminAsync(HttpContext context, string? serviceScope = null)
    {
        var caller = CallerToken.Of(context);
        if (!caller.IsPerson && serviceScope is not null)
        {
            if (caller.Has(serviceScope))
            {
                return null;
            }

            context.Response.Headers.WWWAuthenticate = AccessTokenHandler.Challenge(resources, caller.ByDPoP, ErrorCodes.InsufficientScope, serviceScope);
            return new Failure(StatusCodes.Status403Forbidden, ErrorCodes.InsufficientScope, $"The access token lacks the scope {serviceScope}.");
        }

        return await IsAdminAsync(context, caller) ? null : Failure.OfStatus(StatusCodes.Status403Forbidden);
    }

    /// <summary>The person itself, by a token of /api/identity, or an administrator.</summary>
    internal async Task<Access> CheckSelfOrAdminAsync(HttpContext context, string userId)
    {
        var caller = CallerToken.Of(context);
        if (await IsAdminAsync(context, caller))
        {
            return new(Failure: null, IsAdmin: true);
        }

        var isSelf = caller is { IsFirstParty: true, AccountId: { } self } && Guid.TryParseExact(userId, "D", out var id) && id == self;
        return isSelf ? new(Failure: null) : new(Failure.OfStatus(StatusCodes.Status403Forbidden));
    }

    // The role is the account's of this moment, never what a token says.
    private async Task<bool> IsAdminAsync(HttpContext context, CallerToken caller) =>
        caller is { IsFirstParty: true, AccountId: { } callerId }
        && await accounts.FindAsync(callerId, context.RequestAborted) is { IsActive: true } account
        && account.Roles.Contains(AdminRole, StringComparer.Ordinal);
}
