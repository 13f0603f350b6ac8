// OpenID Connect Core §5.5: the claims parameter.
using System.Text.Json;

namespace Identity.OAuth.Authorize;

/// <summary>One asked-for claim.</summary>
/// <param name="Essential">§5.5.1: the client cannot do without it.</param>
/// <param name="Values">The values that will do; empty: any.</param>
public sealed record RequestedClaim(bool Essential, IReadOnlyList<string> Values);

/// <summary>The claims asked for by name.</summary>
public sealed record ClaimsRequest(IReadOnlyDictionary<string, RequestedClaim> UserInfo, IReadOnlyDictionary<string, RequestedClaim> IdToken)
{
    private const int MaximumLength = 8 * 1024;
    private static readonly Dictionary<string, RequestedClaim> None = [];

    public static ClaimsRequest Empty { get; } = new(None, None);

    /// <summary>A stored request, which was valid when it was stored.</summary>
    public static ClaimsRequest Parse(string? json) => json is null ? Empty : TryParse(json, out var request) ? request : Empty;

    /// <summary>False for anything that is not an object of the form §5.5 gives.</summary>
    public static bool TryParse(string json, out ClaimsRequest request)
    {
        request = Empty;
        if (json.Length > MaximumLength)
        {
            return false;
        }

        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8, AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !TryRead(document.RootElement, "userinfo", out var userInfo)
                || !TryRead(document.RootElement, "id_token", out var idToken))
            {
                return false;
            }

            request = new(userInfo, idToken);
            return true;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The latter where half a surrogate pair is escaped, which is sound JSON and no text.
            return false;
        }
    }

    private static bool TryRead(JsonElement root, string member, out Dictionary<string, RequestedClaim> claims)
    {
        claims = new(StringComparer.Ordinal);
        if (!root.TryGetProperty(member, out var section) || section.ValueKind == JsonValueKind.Null)
        {
            return true;
        }

        if (section.ValueKind != JsonValueKind.Object)
        {
            return false;
        }

        foreach (var claim in section.EnumerateObject())
        {
            if (claim.Value.ValueKind == JsonValueKind.Null)
            {
                claims[claim.Name] = new(Essential: false, []);
                continue;
            }

            if (claim.Value.ValueKind != JsonValueKind.Object)
            {
                return false;
            }

            var essential = false;
            if (claim.Value.TryGetProperty("essential", out var flag))
            {
                if (flag.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
                {
                    return false;
                }

                essential = flag.GetBoolean();
            }

            var values = new List<string>();
            if (claim.Value.TryGetProperty("value", out var value))
            {
                values.Add(Text(value));
            }

            if (claim.Value.TryGetProperty("values", out var many))
            {
                if (many.ValueKind != JsonValueKind.Array)
                {
                    return false;
                }

                values.AddRange(many.EnumerateArray().Select(Text));
            }

            claims[claim.Name] = new(essential, values);
        }

        return true;
    }

    private static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
}
