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
            user.Email.IndexOf('@', StringComparison.Ordinal) is var at && (at < 1 || at == user.Email.Length - 1 || user.Email.Any(char.IsControl)) ? IdentityResult.Failed(errors.InvalidEmail(user.Email))
            : user.UserName is { } name && (string.IsNullOrWhiteSpace(name) || name.Contains('@', StringComparison.Ordinal) || name.Any(char.IsControl)) ? IdentityResult.Failed(errors.InvalidUserName(name))
            : IdentityResult.Success);
    }
}
