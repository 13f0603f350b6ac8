// OpenID Connect Core §5.1 (standard claims) and §5.4 (which scope asks for which).
namespace Identity.OAuth;

/// <summary>The standard claims.</summary>
public static class ClaimsByScope
{
    private static readonly Dictionary<string, string[]> Table = new(StringComparer.Ordinal)
    {
        ["profile"] =
        [
            "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
            "gender", "birthdate", "zoneinfo", "locale", "updated_at",
        ],
        ["email"] = ["email", "email_verified"],
        ["address"] = ["address"],
        ["phone"] = ["phone_number", "phone_number_verified"],
        ["roles"] = ["roles"],
        ["groups"] = ["groups"],
    };

    private static readonly HashSet<string> All = [.. Table.Values.SelectMany(claims => claims)];

    /// <summary>What discovery announces as <c>claims_supported</c>, besides <c>sub</c>.</summary>
    public static IReadOnlyCollection<string> Claims => All;

    /// <summary>The claims a scope asks for; none for a scope that is not one of §5.4.</summary>
    public static IReadOnlyList<string> Of(string scope) => Table.GetValueOrDefault(scope) ?? [];

    public static bool IsStandardClaim(string name) => All.Contains(name);

    /// <summary>The scope that asks for this claim; null: none does.</summary>
    public static string? ScopeOf(string name) => Table.FirstOrDefault(scope => scope.Value.Contains(name, StringComparer.Ordinal)).Key;

    /// <summary>
    /// Whether the claims parameter (§5.5) gets a client this claim: any standard one, but for roles and groups, which are for clients that may ask for those scopes.
    /// </summary>
    public static bool MayBeNamed(string name, IReadOnlyList<string> clientScopes) =>
        IsStandardClaim(name) && (name is not ("roles" or "groups") || clientScopes.Contains(name, StringComparer.Ordinal));
}
