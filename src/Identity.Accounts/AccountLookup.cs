using Identity.Accounts.OneTimeCodes;
using Identity.Accounts.SignIn;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts;

/// <summary>
/// Finds accounts by what people type. Whatever kind of name it was said to be, each kind is tried: only an address holds '@', and only a number begins with '+'. A name from elsewhere may look
/// like a number: in a field for either, it is the number's whose number is proven, and else the name's.
/// </summary>
public sealed class AccountLookup(IAccountStore store, ILookupNormalizer normalizer, AccountRules rules)
{
    public async Task<Account?> FindAsync(LoginKind kind, string login, CancellationToken cancellationToken)
    {
        if (login.Contains('@', StringComparison.Ordinal))
        {
            return await FindByEmailAsync(login, cancellationToken);
        }

        var name = login.WithoutEdges();
        if (name.Any(char.IsControl))
        {
            return null;
        }

        var number = rules.PhoneNumber(login);
        var named = name.StartsWith('+') ? null : await store.FindByUserNameAsync(normalizer.NormalizeName(name), cancellationToken);
        var numbered = number is null ? null : await store.FindByPhoneNumberAsync(number, cancellationToken);
        return kind == LoginKind.PhoneNumber || (kind == LoginKind.Any && numbered is { PhoneNumberVerified: true }) ? numbered ?? named : named ?? numbered;
    }

    public Task<Account?> FindAsync(CodeRecipient recipient, CancellationToken cancellationToken) =>
        recipient.AccountId is { } id ? store.FindAsync(id, cancellationToken)
        : recipient.Email is { } email ? FindByEmailAsync(email, cancellationToken)
        : rules.PhoneNumber(recipient.PhoneNumber) is { } number ? store.FindByPhoneNumberAsync(number, cancellationToken)
        : Task.FromResult<Account?>(null);

    /// <summary>
    /// What was typed, in one form for all spellings that could lead to the same account, and whether or not there is one: what is counted by this tells
    /// nobody which names are somebody's.
    /// </summary>
    internal string NameOf(string login) =>
        login.Contains('@', StringComparison.Ordinal)
            ? normalizer.NormalizeEmail(AccountRules.Email(login) ?? login.WithoutEdges())
            : rules.PhoneNumber(login) ?? normalizer.NormalizeName(login.WithoutEdges());

    // No name has a control character in it, and PostgreSQL no NUL in any text.
    private Task<Account?> FindByEmailAsync(string email, CancellationToken cancellationToken) =>
        (AccountRules.Email(email) ?? email.WithoutEdges()) is var address && address.Any(char.IsControl)
            ? Task.FromResult<Account?>(null)
            : store.FindByEmailAsync(normalizer.NormalizeEmail(address), cancellationToken);
}
