// What an account must be: an address, and a user name only if it wants one. Who else has them, the store's unique indexes know.
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.AspNetCoreIdentity;

/// <summary>In the place of Identity's own validator, which wants a user name and asks for duplicates before the write that would tell.</summary>
public sealed class AccountUserValidator(IdentityErrorDescriber errors) : IUserValidator<Account>
{
    public Task<IdentityResult> ValidateAsync(UserManager<Account> manager, Account user)
    {
        ArgumentNullException.ThrowIfNull(user);
        return Task.FromResult(
            AccountRules.Email(user.Email) is null ? IdentityResult.Failed(errors.InvalidEmail(user.Email))
            : user.UserName is { } name && AccountRules.UserName(name) is null ? IdentityResult.Failed(errors.InvalidUserName(name))
            : IdentityResult.Success);
    }
}
