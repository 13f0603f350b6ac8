// OpenID Connect Core §5.1, SAML 2.0 Core §2.7.3: a provider's claims, as the settings map them to an account.
using Identity.Accounts.ExternalSignIn;

namespace Identity.Server.External;

/// <summary>Maps claims and attributes.</summary>
internal static class ExternalClaims
{
    /// <param name="name">The provider.</param>
    /// <param name="options">Its settings.</param>
    /// <param name="realm">The realm it told; empty where it has none.</param>
    /// <param name="subject">What identifies the person.</param>
    /// <param name="find">Every value of a claim, in order.</param>
    /// <param name="defaults">Names of the claims for email, first_name and last_name where the settings name none: the first that is there.</param>
    public static ExternalPerson Map(string name, ProviderOptions options, string realm, string subject, Func<string, IReadOnlyList<string>> find, IReadOnlyDictionary<string, string[]> defaults)
    {
        if (subject.Length is 0 or > ExternalSubject.MaximumLength || subject.Any(char.IsControl))
        {
            throw new ExternalRefusal(ExternalProblem.Refused, "subject", "the provider names nobody, or by a name that cannot be kept");
        }

        string? First(string member) => (options.Claims.TryGetValue(member, out var claim) ? [claim] : defaults[member]).Select(candidate => find(candidate).FirstOrDefault(value => value.Length > 0)).FirstOrDefault(value => value is not null);
        return new ExternalPerson
        {
            Subject = new ExternalSubject(name, realm, subject, options.IgnoreSubjectCase),
            Email = First("email"),
            EmailVerified = options.TrustEmail || find("email_verified") is ["true" or "True"],
            FirstName = First("first_name"),
            LastName = First("last_name"),
            Roles = [.. options.Roles.Where(role => find(role.Claim).Contains(role.Value, StringComparer.Ordinal)).Select(role => role.Role).Distinct(StringComparer.Ordinal)],
            ManagedRoles = [.. options.Roles.Select(role => role.Role).Distinct(StringComparer.Ordinal)],
            MayCreateAccount = options.CreateAccounts,
        };
    }
}
