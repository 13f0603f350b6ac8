using Identity.Accounts;
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
    public const string AdminRole = "admin";

    internal async Task<Access> CheckAsync(HttpContext context, string userId, string scope)
    {
        var caller = CallerToken.Of(context);
        if (!caller.IsFirstParty && !caller.Has(scope))
        {
            context.Response.Headers.WWWAuthenticate = AccessTokenHandler.Challenge(resources, ErrorCodes.InsufficientScope, scope);
            return new(new Failure(StatusCodes.Status403Forbidden, ErrorCodes.InsufficientScope, $"The access token lacks the scope {scope}."));
        }

        if (!caller.IsPerson)
        {
            return new(Failure: null);
        }

        // The role is the account's of this moment, never what a token says.
        var isAdmin = caller is { IsFirstParty: true, AccountId: { } callerId }
            && await accounts.FindAsync(callerId, context.RequestAborted) is { IsActive: true } account
            && account.Roles.Contains(AdminRole, StringComparer.Ordinal);
        var isSelf = caller.AccountId is { } self && Guid.TryParseExact(userId, "D", out var id) && id == self;
        return isSelf || isAdmin ? new(Failure: null, isAdmin) : new(Failure.OfStatus(StatusCodes.Status403Forbidden));
    }
}
