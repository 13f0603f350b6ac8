using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Identity.Accounts.Data;

/// <summary>How values that are no column's type are written into text columns.</summary>
public static class Text
{
    private static readonly JsonSerializerOptions s_options = new()
    {
        IgnoreReadOnlyProperties = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static string Json<T>(T value) => JsonSerializer.Serialize(value, s_options);

    public static T Parse<T>(string json) => JsonSerializer.Deserialize<T>(json, s_options) ?? throw new InvalidOperationException("A stored document is null.");

    public static IReadOnlyList<string> ParseList(string json) => json is "[]" ? [] : Parse<string[]>(json);

    /// <summary>Only for words that cannot hold a space.</summary>
    public static string Words(IReadOnlyList<string> words) => string.Join(' ', words);

    public static IReadOnlyList<string> ParseWords(string text) => text.Length == 0 ? [] : text.Split(' ');

    /// <summary>At most so many characters. Not cut in the middle of a surrogate pair: half a character is no text, and a store would refuse it.</summary>
    public static string Cut(string text, int longest)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length <= longest ? text : text[..(char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest)];
    }

    public static string Hash(string value) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(value)));
}
