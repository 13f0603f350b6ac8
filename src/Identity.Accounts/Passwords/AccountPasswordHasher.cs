// NIST SP 800-63B-4 §3.1.1.2: PBKDF2-HMAC-SHA512 in ASP.NET Core Identity's format (v3), over the password's normal form.
using System.Text;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.Options;

namespace Identity.Accounts.Passwords;

/// <summary>Identity's hasher, after NFKC: one keyboard sends é as one code point, another as two; it is the same password.</summary>
public sealed class AccountPasswordHasher(IOptions<PasswordHasherOptions> options) : PasswordHasher<Account>(options)
{
    public override string HashPassword(Account user, string password) => base.HashPassword(user, password.ToNormalForm(NormalizationForm.FormKC));

    public override PasswordVerificationResult VerifyHashedPassword(Account user, string hashedPassword, string providedPassword) =>
        base.VerifyHashedPassword(user, hashedPassword, providedPassword.ToNormalForm(NormalizationForm.FormKC));
}
