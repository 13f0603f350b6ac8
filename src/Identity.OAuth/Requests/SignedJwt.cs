// RFC 7515 §3.1 and §5.2, RFC 8725 §3.1: a JWT that somebody signed, read strictly before anything of it is believed.
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Requests;

/// <summary>A compact JWS as it was sent. Whether its signature holds is for <see cref="Clients.ClientSignatures"/> to say.</summary>
public sealed record SignedJwt(string Encoded, JsonElement Header, JsonElement Payload)
{
    /// <summary>The <c>alg</c> it says; null: none that is text.</summary>
    public string? Algorithm => Text(Header, "alg");

    public string? KeyId => Text(Header, "kid");

    /// <summary>RFC 7515 §4.1.11: it may not be used by who does not understand what <c>crit</c> names, and we understand nothing of it.</summary>
    public bool IsCritical => Header.TryGetProperty("crit", out _);

    /// <summary>Reads it by hand first: duplicate members must be refused, and a library keeps the last. Null: no such thing.</summary>
    /// <param name="jwt">As it was sent.</param>
    /// <param name="maximumLength">Characters; longer ones are not looked at.</param>
    public static SignedJwt? Read(string jwt, int maximumLength)
    {
        ArgumentNullException.ThrowIfNull(jwt);
        if (jwt.Length > maximumLength || jwt.Split('.') is not [{ Length: > 0 } first, { Length: > 0 } second, _])
        {
            return null;
        }

        try
        {
            var (header, payload) = (Parse(first), Parse(second));
            return header.ValueKind == JsonValueKind.Object && payload.ValueKind == JsonValueKind.Object ? new SignedJwt(jwt, header, payload) : null;
        }
        catch (Exception exception) when (exception is JsonException or FormatException or ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>A claim that is text; null: there is none.</summary>
    public string? Text(string claim) => Text(Payload, claim);

    /// <summary>The <c>typ</c> is one of these (RFC 7515 §4.1.9: with or without <c>application/</c>), or there is none.</summary>
    public bool IsOfType(params ReadOnlySpan<string> types)
    {
        if (!Header.TryGetProperty("typ", out _))
        {
            return true;
        }

        var type = Text(Header, "typ");
        foreach (var known in types)
        {
            if (known.Equals(type, StringComparison.OrdinalIgnoreCase) || ("application/" + known).Equals(type, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>RFC 7519 §2: a NumericDate. True and null where the claim is not there; false where it is none.</summary>
    public bool TryTime(string claim, out DateTimeOffset? time)
    {
        time = null;
        if (!Payload.TryGetProperty(claim, out var value))
        {
            return true;
        }

        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out var seconds) || seconds is < 0 or > 253402300799)
        {
            return false;
        }

        time = DateTimeOffset.FromUnixTimeMilliseconds((long)(seconds * 1000));
        return true;
    }

    /// <summary>A member that is text; null: there is none.</summary>
    public static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static JsonElement Parse(string part)
    {
        using var document = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(part), new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 16 });
        RequireText(document.RootElement);
        return document.RootElement.Clone();
    }

    // Half a surrogate pair, escaped, is sound JSON and no text: whoever read it later would throw.
    private static void RequireText(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                {
                    RequireText(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    _ = member.Name;
                    RequireText(member.Value);
                }

                break;
            default:
                break;
        }
    }
}
