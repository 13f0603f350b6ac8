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
            LoginKind.PhoneNumber => store.FindByPhoneNumberAsync(Digits(login), cancellationToken),
            _ when login.Contains('@', StringComparison.Ordinal) => FindAsync(LoginKind.Email, login, cancellationToken),
            _ when login.StartsWith('+') => FindAsync(LoginKind.PhoneNumber, login, cancellationToken),
            _ => FindAsync(LoginKind.UserName, login, cancellationToken),
        };
    }

    public Task<Account?> FindAsync(CodeRecipient recipient, CancellationToken cancellationToken) =>
        recipient.AccountId is { } id ? store.FindAsync(id, cancellationToken)
        : recipient.Email is { } email ? FindAsync(LoginKind.Email, email, cancellationToken)
        : recipient.PhoneNumber is { } phone ? FindAsync(LoginKind.PhoneNumber, phone, cancellationToken)
        : Task.FromResult<Account?>(null);

    // E.164 as people write it: +43 (1) 234-567.
    private static string Digits(string number) => string.Concat(number.Where(c => c is not (' ' or '-' or '(' or ')' or '.' or '/' or '\u00A0')));
}
