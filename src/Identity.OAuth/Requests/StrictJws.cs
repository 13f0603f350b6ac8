// RFC 7515 §3.1 and §4: signed tokens that somebody else made, read by hand first: duplicate members must be refused, and a library keeps the last.
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace Identity.OAuth.Requests;

/// <summary>Header and claims of a compact JWS, before its signature is looked at.</summary>
internal static class StrictJws
{
    /// <summary>Characters. No honest one comes near.</summary>
    public const int MaximumLength = 8 * 1024;

    /// <summary>False for anything but three parts, the first two of them JSON objects.</summary>
    public static bool TryRead(string jws, out JsonElement header, out JsonElement payload)
    {
        header = payload = default;
        if (jws.Length > MaximumLength || jws.Split('.') is not { Length: 3 } parts || parts.Any(part => part.Length == 0))
        {
            return false;
        }

        try
        {
            header = Parse(parts[0]);
            payload = Parse(parts[1]);
            return header.ValueKind == JsonValueKind.Object && payload.ValueKind == JsonValueKind.Object;
        }
        catch (Exception exception) when (exception is JsonException or FormatException or ArgumentException)
        {
            return false;
        }

        static JsonElement Parse(string part)
        {
            using var document = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(part), new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 16 });
            return document.RootElement.Clone();
        }
    }

    /// <summary>Null: it is not there, or no text.</summary>
    public static string? Text(JsonElement element, string name)
    {
        try
        {
            return element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair.
            return null;
        }
    }

    /// <summary>False for a time that is none; true, and null, where there is none.</summary>
    public static bool TryTime(JsonElement payload, string name, out DateTimeOffset? time)
    {
        time = null;
        if (!payload.TryGetProperty(name, out var value))
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
}
