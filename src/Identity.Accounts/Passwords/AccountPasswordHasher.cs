// NIST SP 800-63B-4 §3.1.1.2: PBKDF2-HMAC-SHA512 in ASP.NET Core Identity's format (v3), over the password's normal form.
using System.Text;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Passwords;

/// <summary>
/// Identity's hasher, after NFKC: one keyboard sends é as one code point, another as two; it is the same password. Hashes that people
/// brought along from other systems are checked too, and are due for our own form once the password was right.
/// </summary>
public sealed partial class AccountPasswordHasher(IOptions<PasswordHasherOptions> options, ILogger<AccountPasswordHasher> logger) : PasswordHasher<Account>(options)
{
    public override string HashPassword(Account user, string password) => base.HashPassword(user, password.ToNormalForm(NormalizationForm.FormKC));

    public override PasswordVerificationResult VerifyHashedPassword(Account user, string hashedPassword, string providedPassword)
    {
        ArgumentNullException.ThrowIfNull(hashedPassword);
        ArgumentNullException.ThrowIfNull(providedPassword);
        var normal = providedPassword.ToNormalForm(NormalizationForm.FormKC);

        // Other systems hash what was typed as it was typed.
        var typed = providedPassword == normal ? null : providedPassword;
        if (BroughtHash.IsIdentityFormat(hashedPassword))
        {
            var result = base.VerifyHashedPassword(user, hashedPassword, normal);
            return result == PasswordVerificationResult.Failed && typed is not null && base.VerifyHashedPassword(user, hashedPassword, typed) != PasswordVerificationResult.Failed
                ? PasswordVerificationResult.SuccessRehashNeeded
                : result;
        }

        if (BroughtHash.Parse(hashedPassword) is { } brought)
        {
            return brought.Matches(typed ?? normal) || (typed is not null && brought.Matches(normal)) ? PasswordVerificationResult.SuccessRehashNeeded : PasswordVerificationResult.Failed;
        }

        // It costs what a wrong password costs, and somebody has to be told: these people can only reset.
        LogUnknownForm(BroughtHash.Describe(hashedPassword));
        base.HashPassword(user, normal);
        return PasswordVerificationResult.Failed;
    }

    [LoggerMessage(3430, LogLevel.Warning, "A stored password hash is of a form that cannot be checked, or costs too much: {Form}. The sign-in is refused")]
    private partial void LogUnknownForm(string form);
}
