// RFC 8259: the body of a request, read member by member.
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts;
using Identity.Accounts.Passwords;

namespace Identity.Api.Json;

/// <summary>Reads members of a JSON object and collects a message for each that is not as it should be. Unknown members are ignored.</summary>
internal sealed class JsonBody(JsonElement root, PasswordPolicy passwords, AccountRules rules)
{
    private readonly List<string> _problems = [];

    /// <summary>One line per problem, in the words of the service these routes come from.</summary>
    public IReadOnlyList<string> Problems => _problems;

    public AccountRules Rules => rules;

    public void Problem(string message) => _problems.Add(message);

    /// <summary>Whether the member was sent, null included.</summary>
    public bool Has(string name) => root.TryGetProperty(name, out _);

    /// <summary>Whether the member was sent and holds something: forms and generated clients send null or an empty text for what was left out.</summary>
    public bool HasValue(string name) => TryGet(name, out var value) && !(value.ValueKind == JsonValueKind.String && value.ValueEquals(""));

    /// <summary>A text that must be there.</summary>
    public string Required(string name, int longest)
    {
        if (!TryGet(name, out _))
        {
            Problem($"{name} should not be empty");
            return "";
        }

        var before = _problems.Count;
        var text = Text(name, longest);
        if (string.IsNullOrEmpty(text) && _problems.Count == before)
        {
            Problem($"{name} should not be empty");
        }

        return text ?? "";
    }

    /// <summary>A text; null where it is absent or null.</summary>
    public string? Text(string name, int longest)
    {
        if (!TryGet(name, out var value))
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.String)
        {
            Problem($"{name} must be a string");
            return null;
        }

        var text = value.GetString()!;
        if (text.Length > longest)
        {
            Problem(string.Create(CultureInfo.InvariantCulture, $"{name} must be shorter than or equal to {longest} characters"));
        }

        return text;
    }

    /// <summary>A one-time code: a text, or the number that some clients make of it, which has lost its leading zeros. Whether it is a code is judged with the code.</summary>
    public string? Code(string name)
    {
        if (TryGet(name, out var value) && value.ValueKind == JsonValueKind.Number)
        {
            var number = value.GetRawText();
            return number.All(char.IsAsciiDigit) ? number.PadLeft(AccountRules.CodeDigits, '0') : number;
        }

        return Text(name, 64);
    }

    /// <summary>A code that must be there.</summary>
    public string RequiredCode(string name)
    {
        var before = _problems.Count;
        var code = Code(name);
        if (string.IsNullOrEmpty(code) && _problems.Count == before)
        {
            Problem($"{name} should not be empty");
        }

        return code ?? "";
    }

    /// <summary>A password as it shall be from now on: what the policy says of it stands beside the other problems, so that nobody mends one after the other.</summary>
    public string NewPassword(string name, int longest)
    {
        var before = _problems.Count;
        var password = Required(name, longest);
        if (_problems.Count == before)
        {
            _problems.AddRange(passwords.FindProblems(password, []).Select(problem => $"{name} {problem}"));
        }

        return password;
    }

    public bool? Flag(string name)
    {
        if (!TryGet(name, out var value))
        {
            return null;
        }

        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return value.GetBoolean();
        }

        Problem($"{name} must be a boolean value");
        return null;
    }

    /// <summary>An id; null where it is absent, null or empty.</summary>
    public Guid? Id(string name)
    {
        if (!HasValue(name))
        {
            return null;
        }

        if (TryGet(name, out var value) && value.ValueKind == JsonValueKind.String && Guid.TryParseExact(value.GetString(), "D", out var id))
        {
            return id;
        }

        Problem($"{name} must be a UUID");
        return null;
    }

    public JsonObject? Object(string name)
    {
        if (!TryGet(name, out var value))
        {
            return null;
        }

        if (value.ValueKind == JsonValueKind.Object)
        {
            // A copy: the document is gone when the body has been read.
            return JsonNode.Parse(value.GetRawText())!.AsObject();
        }

        Problem($"{name} must be an object");
        return null;
    }

    public IReadOnlyList<string>? Texts(string name, int most, int longest)
    {
        if (!TryGet(name, out var value))
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            Problem($"{name} must be an array");
            return null;
        }

        if (value.GetArrayLength() > most)
        {
            Problem(string.Create(CultureInfo.InvariantCulture, $"{name} must contain no more than {most} elements"));
            return null;
        }

        var texts = new List<string>();
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.String || item.GetString() is not { Length: > 0 } text || text.Length > longest)
            {
                Problem(string.Create(CultureInfo.InvariantCulture, $"each value in {name} must be a string of 1 to {longest} characters"));
                return null;
            }

            texts.Add(text);
        }

        return texts;
    }

    private bool TryGet(string name, out JsonElement value) =>
        root.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
}
