using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts;

/// <summary>Finds accounts by what people type.</summary>
public sealed class AccountLookup(IAccountStore store, ILookupNormalizer normalizer)
{
    public Task<Account?> FindAsync(LoginKind kind, string login, CancellationToken cancellationToken)
    {
        login = login.Trim();
        return kind switch
        {
            LoginKind.Email => store.FindByEmailAsync(normalizer.NormalizeEmail(login), cancellationToken),
            LoginKind.UserName => store.FindByUserNameAsync(normalizer.NormalizeName(login), cancellationToken),
            LoginKind.PhoneNumber => store.FindByPhoneNumberAsync(login, cancellationToken),
            _ when login.Contains('@', StringComparison.Ordinal) => FindAsync(LoginKind.Email, login, cancellationToken),
            _ when login.StartsWith('+') => FindAsync(LoginKind.PhoneNumber, login.Replace(" ", "", StringComparison.Ordinal), cancellationToken),
            _ => FindAsync(LoginKind.UserName, login, cancellationToken),
        };
    }

    public Task<Account?> FindAsync(CodeRecipient recipient, CancellationToken cancellationToken) =>
        recipient.AccountId is { } id ? store.FindAsync(id, cancellationToken)
        : recipient.Email is { } email ? FindAsync(LoginKind.Email, email, cancellationToken)
        : recipient.PhoneNumber is { } phone ? FindAsync(LoginKind.PhoneNumber, phone, cancellationToken)
        : Task.FromResult<Account?>(null);
}
