// OpenID Connect Core §5.7 (a subject is unique within its issuer), SAML 2.0 Core §8.3: what makes two sign-ins one person.
using System.Globalization;
using System.Text;
using Identity.Accounts.Data;

namespace Identity.Accounts.ExternalSignIn;

/// <summary>Who somebody is at a provider.</summary>
/// <param name="Provider">The provider's name in the settings.</param>
/// <param name="Realm">The realm within the provider; empty where it has none. Two realms are two people, whatever their names.</param>
/// <param name="Subject">As the provider told it.</param>
/// <param name="IgnoreCase">The provider tells the name as it was typed (OpenAM): ALICE, Alice and alice are one person.</param>
public sealed record ExternalSubject(string Provider, string Realm, string Subject, bool IgnoreCase)
{
    /// <summary>Longest subject that is kept (OpenID Connect Core §2 allows 255).</summary>
    public const int MaximumLength = 255;

    /// <summary>
    /// The key of the table: a hash, because databases compare text in ways of their own (SQL Server's default takes case and width for equal).
    /// Lengths stand in front of the parts, so that no two subjects share one.
    /// </summary>
    public string Key => Text.Hash(string.Create(CultureInfo.InvariantCulture, $"{Provider.Length}:{Provider}{Part(Realm).Length}:{Part(Realm)}{Part(Subject)}"));

    private string Part(string text) => IgnoreCase ? Fold(text) : text;

    /// <summary>
    /// Unicode's simple case folding: upper case, then lower case, which takes together what has two lower-case forms (σ and ς, s and ſ, k and the
    /// Kelvin sign). Invariant: no language's own rules, so Turkish letters stay apart from Latin ones.
    /// </summary>
    public static string Fold(string text) => text.ToNormalForm(NormalizationForm.FormC).ToUpperInvariant().ToLowerInvariant().ToNormalForm(NormalizationForm.FormC);
}

/// <summary>Somebody whom a provider has vouched for, in the provider's words as the settings map them.</summary>
public sealed record ExternalPerson
{
    public required ExternalSubject Subject { get; init; }

    /// <summary>Null, or not an address: the provider told none.</summary>
    public string? Email { get; init; }

    /// <summary>Only where the provider says so in a claim of its own, or the operator trusts its addresses.</summary>
    public bool EmailVerified { get; init; }

    public string? FirstName { get; init; }

    public string? LastName { get; init; }

    /// <summary>Roles that the settings map from the provider's claims.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>Every role that some mapping of the provider can give: those of them that are not in <see cref="Roles"/> are taken away.</summary>
    public IReadOnlyList<string> ManagedRoles { get; init; } = [];

    /// <summary>When the person proved who they are, there; null: the provider does not say, so now.</summary>
    public DateTimeOffset? AuthenticatedAt { get; init; }

    /// <summary>RFC 8176 values, as the provider told them.</summary>
    public IReadOnlyList<string> Amr { get; init; } = [];

    /// <summary>Whether an account is made at the first sign-in.</summary>
    public bool MayCreateAccount { get; init; }

    /// <summary>The provider's name for its session (<c>sid</c>, SessionIndex); null: it tells none.</summary>
    public string? UpstreamSession { get; init; }

    /// <summary>When the provider wants the session to have ended (SAML SessionNotOnOrAfter); null: it does not say.</summary>
    public DateTimeOffset? SessionEndsAt { get; init; }

    /// <summary>What a sign-out at the provider needs (id_token_hint, NameID); protected by whoever made it.</summary>
    public string? SignOutState { get; init; }
}
