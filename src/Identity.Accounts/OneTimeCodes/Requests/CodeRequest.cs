// The wire contract's queue otp_requests: a bare object, or {pattern,data,id} as NestJS clients send it.
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Identity.Accounts.OneTimeCodes.Requests;

/// <summary>How a request was wrapped, and so how its answer is.</summary>
public enum CodeRequestFraming
{
    Bare,
    Envelope,
}

/// <summary>The answer to a request. The code itself is never in it.</summary>
public sealed record CodeRequestAnswer(
    [property: JsonPropertyName("otpId")] Guid OtpId,
    [property: JsonPropertyName("channel")] string Channel,
    [property: JsonPropertyName("destination")] string Destination,
    [property: JsonPropertyName("expiresAt")] DateTimeOffset ExpiresAt);

/// <summary>A request for a one-time code, as it came by message.</summary>
/// <param name="Framing">How it was wrapped.</param>
/// <param name="EnvelopeId">The envelope's <c>id</c>, where it has one.</param>
public sealed record CodeRequest(CodeRequestFraming Framing, string? EnvelopeId, Guid? AccountId, string? Email, string? PhoneNumber, string? Channel, string Purpose)
{
    public const string DefaultPurpose = "verification";

    // Of a body that is not read, as much as its framing is looked for in.
    private const int MostLookedAt = 64 * 1024;

    private static readonly JsonDocumentOptions s_parsing = new() { MaxDepth = 16 };
    private static readonly JsonSerializerOptions s_writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Null, with a short reason that repeats nothing of the body, where it is not a request; the framing is told as far as it could be seen.</summary>
    public static CodeRequest? Parse(ReadOnlyMemory<byte> body, out CodeRequestFraming framing, out string reason)
    {
        framing = CodeRequestFraming.Bare;
        try
        {
            // RFC 8259 §8.1: a byte order mark may be ignored.
            using var document = JsonDocument.Parse(body.Span.StartsWith(ByteOrderMark) ? body[ByteOrderMark.Length..] : body, s_parsing);
            return Read(document.RootElement, ref framing, out reason);
        }
        catch (JsonException)
        {
            reason = "not JSON";
        }
        catch (InvalidOperationException)
        {
            // A lone surrogate in an escape, of a value or of a name: text that is no text.
            reason = "a member is not valid text";
        }

        return null;
    }

    /// <summary>How a body that is too large to be read was wrapped, as far as its beginning shows: its answer must be in that framing all the same.</summary>
    public static CodeRequestFraming LookForFraming(ReadOnlySpan<byte> body)
    {
        body = body.StartsWith(ByteOrderMark) ? body[ByteOrderMark.Length..] : body;
        var reader = new Utf8JsonReader(body[..Math.Min(body.Length, MostLookedAt)], isFinalBlock: false, state: default);
        try
        {
            while (reader.Read())
            {
                if (reader is { TokenType: JsonTokenType.PropertyName, CurrentDepth: 1 } && (reader.ValueTextEquals("pattern"u8) || reader.ValueTextEquals("data"u8)))
                {
                    return CodeRequestFraming.Envelope;
                }
            }
        }
        catch (JsonException)
        {
            // It is no JSON from there on.
        }

        return CodeRequestFraming.Bare;
    }

    /// <summary>A success in the framing of its request.</summary>
    public static byte[] FormatAnswer(CodeRequestFraming framing, string answer) => Bytes(framing == CodeRequestFraming.Bare
        ? JsonNode.Parse(answer)!
        : new JsonObject { ["response"] = JsonNode.Parse(answer), ["isDisposed"] = true });

    /// <summary>A failure in the framing of its request.</summary>
    public static byte[] FormatError(CodeRequestFraming framing, string message)
    {
        var error = new JsonObject { ["status"] = "error", ["message"] = message };
        return Bytes(framing == CodeRequestFraming.Bare ? error : new JsonObject { ["err"] = error, ["isDisposed"] = true });
    }

    /// <summary>The answer as it is kept for repeats.</summary>
    public static string Serialize(CodeRequestAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return new JsonObject
        {
            ["otpId"] = answer.OtpId.ToString(),
            ["channel"] = answer.Channel,
            ["destination"] = answer.Destination,
            ["expiresAt"] = answer.ExpiresAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
        }.ToJsonString(s_writing);
    }

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    private static byte[] Bytes(JsonNode node) => JsonSerializer.SerializeToUtf8Bytes(node, s_writing);

    private static CodeRequest? Read(JsonElement data, ref CodeRequestFraming framing, out string reason)
    {
        string? id = null;
        if (data.ValueKind != JsonValueKind.Object)
        {
            reason = "not a JSON object";
            return null;
        }

        if (data.TryGetProperty("pattern", out _) || data.TryGetProperty("data", out _))
        {
            framing = CodeRequestFraming.Envelope;
            if (data.TryGetProperty("id", out var idElement) && idElement.ValueKind is not (JsonValueKind.String or JsonValueKind.Number or JsonValueKind.Null))
            {
                reason = "id is neither a string nor a number";
                return null;
            }

            id = idElement.ValueKind switch
            {
                JsonValueKind.String => idElement.GetString(),
                JsonValueKind.Number => idElement.GetRawText(),
                _ => null,
            };
            if (!data.TryGetProperty("data", out data) || data.ValueKind != JsonValueKind.Object)
            {
                reason = "data is not a JSON object";
                return null;
            }
        }

        return Read(data, framing, id, out reason);
    }

    private static CodeRequest? Read(JsonElement data, CodeRequestFraming framing, string? id, out string reason)
    {
        if (!TryText(data, "userId", 64, out var userId, out reason)
            || !TryText(data, "email", 320, out var email, out reason)
            || !TryText(data, "phoneNumber", AccountRules.LongestWrittenPhoneNumber, out var phoneNumber, out reason)
            || !TryText(data, "channel", 16, out var channel, out reason)
            || !TryText(data, "purpose", AccountRules.LongestPurpose, out var purpose, out reason))
        {
            return null;
        }

        var accountId = Guid.Empty;
        if (userId is not null && !Guid.TryParse(userId, out accountId))
        {
            reason = "userId is not an id";
        }
        else if (userId is null && email is null && phoneNumber is null)
        {
            reason = "none of userId, email and phoneNumber is given";
        }
        else if (channel is not (null or "email" or "sms" or "push"))
        {
            reason = "channel is none of email, sms and push";
        }
        else if (purpose is not null && !AccountRules.IsPurpose(purpose))
        {
            reason = "purpose " + AccountRules.PurposeRule;
        }
        else
        {
            return new(framing, id, userId is null ? null : accountId, email, phoneNumber, channel, purpose ?? DefaultPurpose);
        }

        return null;
    }

    // Absent, null and empty are the same.
    private static bool TryText(JsonElement data, string name, int longest, out string? value, out string reason)
    {
        (value, reason) = (null, "");
        if (!data.TryGetProperty(name, out var element) || element.ValueKind == JsonValueKind.Null)
        {
            return true;
        }

        if (element.ValueKind != JsonValueKind.String)
        {
            reason = name + " is not a string";
            return false;
        }

        value = element.GetString()!.Trim();
        if (value.Length > longest || value.Any(char.IsControl))
        {
            reason = name + " is too long or holds control characters";
            return false;
        }

        value = value.Length == 0 ? null : value;
        return true;
    }
}
