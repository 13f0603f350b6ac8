// OpenID Connect Core §5.4 and §11: what each scope lets an application see, said to a person.
using Identity.OAuth.Resources;
using Microsoft.Extensions.Localization;

namespace Identity.Server.Pages.Flow;

/// <summary>A permission as a consent page tells of it.</summary>
/// <param name="Scope">As in the request.</param>
/// <param name="Text">The end of the sentence "Atlas would like to …".</param>
/// <param name="Detail">More, in small print.</param>
/// <param name="IsNew">Not allowed before.</param>
public sealed record ScopeLine(string Scope, string Text, string? Detail, bool IsNew);

/// <summary>What an application asks for, as a list.</summary>
/// <param name="Lines">In the order of the request.</param>
/// <param name="MarksNew">Whether some of it was agreed to before, so that the rest stands out.</param>
public sealed record ScopeList(IReadOnlyList<ScopeLine> Lines, bool MarksNew);

/// <summary>Says scopes in words. Known ones have a text each; others are told by the API they belong to.</summary>
public sealed class ScopeWords(ResourceCatalog resources, IStringLocalizer<Texts> texts)
{
    private static readonly string[] FirstToLast = ["openid", "profile", "email", "phone", "address"];

    /// <summary>As applications mostly ask: who the person is, how they are reached, what of APIs, and that it lasts. What was agreed to is kept by the alphabet.</summary>
    public static IReadOnlyList<string> Ordered(IEnumerable<string> scopes) =>
        [.. scopes.OrderBy(scope => Array.IndexOf(FirstToLast, scope) is >= 0 and var place ? place : scope == "offline_access" ? FirstToLast.Length + 1 : FirstToLast.Length).ThenBy(scope => scope, StringComparer.Ordinal)];

    public async Task<IReadOnlyList<ScopeLine>> DescribeAsync(IReadOnlyList<string> scopes, IReadOnlyList<string> newScopes, CancellationToken cancellationToken)
    {
        var known = await resources.ListAsync(cancellationToken);
        var lines = new List<ScopeLine>(scopes.Count);
        foreach (var scope in scopes)
        {
            var isNew = newScopes.Contains(scope, StringComparer.Ordinal);
            var text = texts["Scope." + scope];
            if (!text.ResourceNotFound)
            {
                var detail = texts[$"Scope.{scope}.Detail"];
                lines.Add(new ScopeLine(scope, text, detail.ResourceNotFound ? null : detail.Value, isNew));
                continue;
            }

            var owner = known.FirstOrDefault(resource => resource.ScopesSupported.Contains(scope, StringComparer.Ordinal));
            lines.Add(owner is null
                ? new ScopeLine(scope, texts["Scope.Unknown", scope], null, isNew)
                : new ScopeLine(scope, texts["Scope.OfResource", owner.ResourceName ?? owner.Identifier], scope, isNew));
        }

        return lines;
    }
}
