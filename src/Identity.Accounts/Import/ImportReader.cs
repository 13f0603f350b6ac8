// RFC 8259 (JSON), one user a line: the members of POST /users, and id, phoneNumberVerified, createdAt, updatedAt, lastLoginAt.
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Identity.Accounts.Passwords;
using Identity.Accounts.Registration;
using Microsoft.AspNetCore.Identity;

namespace Identity.Accounts.Import;

/// <summary>Reads one line; every problem is told, without a piece of the line.</summary>
public sealed class ImportReader(AccountRules rules, ILookupNormalizer normalizer, TimeProvider timeProvider)
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    /// <returns>The account, or what is wrong with it.</returns>
    public (BroughtAccount? Account, IReadOnlyList<string> Problems) Read(ReadOnlyMemory<byte> line)
    {
        if (line.Length > JsonLines.LongestLine)
        {
            return (null, [$"the line must not be longer than {JsonLines.LongestLine.ToString(CultureInfo.InvariantCulture)} bytes"]);
        }

        try
        {
            using var document = JsonDocument.Parse(line, Strict);
            return document.RootElement.ValueKind != JsonValueKind.Object
                ? (null, ["the line must be a JSON object"])
                : IsText(document.RootElement) ? new Line(document.RootElement, timeProvider.GetUtcNow()).Read(rules, normalizer) : (null, ["the line must not hold a NUL character or an unpaired surrogate"]);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return (null, ["the line is not valid JSON, nests deeper than 32 levels, or repeats a member"]);
        }
    }

    private static bool IsText(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => !element.GetString()!.Contains('\0', StringComparison.Ordinal),
        JsonValueKind.Array => element.EnumerateArray().All(IsText),
        JsonValueKind.Object => element.EnumerateObject().All(member => !member.Name.Contains('\0', StringComparison.Ordinal) && IsText(member.Value)),
        _ => true,
    };

    /// <summary>Collects what is wrong, member by member.</summary>
    private sealed class Line(JsonElement root, DateTimeOffset now)
    {
        private readonly List<string> _problems = [];

        public (BroughtAccount? Account, IReadOnlyList<string> Problems) Read(AccountRules rules, ILookupNormalizer normalizer)
        {
            var id = Id();
            var email = AccountRules.Email(Text("email", 2 * EmailAddress.MaximumLength));
            Check(email is not null, "email " + AccountRules.EmailRule);
            var userName = Normal("userName", Text("userName", 256) ?? Text("username", 256), AccountRules.UserName, AccountRules.UserNameRule);
            var phoneNumber = Normal("phoneNumber", Text("phoneNumber", 64), rules.PhoneNumber, AccountRules.PhoneNumberRule);
            var firstName = Normal("firstName", Text("firstName", AccountRules.LongestPersonName), AccountRules.PersonName, AccountRules.PersonNameRule);
            var lastName = Normal("lastName", Text("lastName", AccountRules.LongestPersonName), AccountRules.PersonName, AccountRules.PersonNameRule);
            var hash = Text("passwordHash", int.MaxValue);
            if (hash is not null && BroughtHashes.FindProblem(hash) is { } problem)
            {
                _problems.Add("passwordHash " + problem);
            }

            Check(Get("password") is null, "password is not taken here: bring its passwordHash");
            var (emailVerified, phoneVerified, isActive) = (Flag("emailVerified"), Flag("phoneNumberVerified"), Flag("isActive"));
            var roles = Roles();
            var metadata = Metadata();
            var (createdAt, updatedAt, lastLoginAt) = (Time("createdAt"), Time("updatedAt"), Time("lastLoginAt"));
            if (_problems.Count > 0)
            {
                return (null, _problems);
            }

            var created = createdAt ?? now;
            var account = new Account
            {
                Id = id ?? Guid.CreateVersion7(now),
                Email = email!,
                NormalizedEmail = normalizer.NormalizeEmail(email!),
                UserName = userName,
                NormalizedUserName = normalizer.NormalizeName(userName),
                PhoneNumber = phoneNumber,
                FirstName = firstName,
                LastName = lastName,
                EmailVerified = emailVerified ?? false,
                PhoneNumberVerified = phoneNumber is not null && (phoneVerified ?? false),
                IsActive = isActive ?? true,
                Roles = [.. roles.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
                CreatedAt = created,
                UpdatedAt = updatedAt ?? created,
                LastLoginAt = lastLoginAt,
                SecurityStamp = Guid.NewGuid().ToString("N"),

                // Without a password nobody gets in but by the mailbox: then there is no stranger to put out.
                Claim = hash is not null && emailVerified is not true ? AccountClaim.Brought : AccountClaim.Settled,
            };
            return (new BroughtAccount(account, hash, metadata, HasOwnId: id is not null), _problems);
        }

        private string? Normal(string name, string? text, Func<string?, string?> normalize, string rule)
        {
            var normal = text is null ? null : normalize(text);
            Check(text is null || normal is not null, $"{name} {rule}");
            return normal;
        }

        private void Check(bool isRight, string problem)
        {
            if (!isRight)
            {
                _problems.Add(problem);
            }
        }

        // Null and an empty text are what is absent: exports write them for what nobody filled in.
        private JsonElement? Get(string name) =>
            root.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null && !(value.ValueKind == JsonValueKind.String && value.ValueEquals("")) ? value : null;

        private string? Text(string name, int longest)
        {
            if (Get(name) is not { } value)
            {
                return null;
            }

            if (value.ValueKind != JsonValueKind.String)
            {
                _problems.Add(name + " must be a string");
                return null;
            }

            var text = value.GetString()!;
            Check(text.Length <= longest, string.Create(CultureInfo.InvariantCulture, $"{name} must be shorter than or equal to {longest} characters"));
            return text.Length == 0 || text.Length > longest ? null : text;
        }

        private bool? Flag(string name)
        {
            var value = Get(name);
            Check(value is null or { ValueKind: JsonValueKind.True or JsonValueKind.False }, name + " must be a boolean value");
            return value is { ValueKind: JsonValueKind.True or JsonValueKind.False } flag ? flag.GetBoolean() : null;
        }

        private Guid? Id()
        {
            if (Get("id") is not { } value)
            {
                return null;
            }

            var id = value.ValueKind == JsonValueKind.String && Guid.TryParseExact(value.GetString(), "D", out var parsed) && parsed != Guid.Empty ? parsed : (Guid?)null;
            Check(id is not null, "id must be a UUID");
            return id;
        }

        private DateTimeOffset? Time(string name)
        {
            if (Get(name) is not { } value)
            {
                return null;
            }

            // ISO 8601; without an offset it is UTC.
            var time = value.ValueKind == JsonValueKind.String
                && DateTimeOffset.TryParse(value.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var parsed)
                && parsed.Year >= 1900 && parsed <= now.AddDays(1) ? parsed : (DateTimeOffset?)null;
            Check(time is not null, name + " must be a time in ISO 8601 that is not in the future");
            return time;
        }

        private List<string> Roles()
        {
            var roles = new List<string>();
            if (Get("roles") is not { } value)
            {
                return roles;
            }

            if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > AccountRules.MostRoles)
            {
                _problems.Add(string.Create(CultureInfo.InvariantCulture, $"roles must be an array of at most {AccountRules.MostRoles} elements"));
                return roles;
            }

            foreach (var item in value.EnumerateArray())
            {
                if (item.ValueKind != JsonValueKind.String || !AccountRules.IsRole(item.GetString()!))
                {
                    _problems.Add("each value in roles " + AccountRules.RoleRule);
                    return roles;
                }

                roles.Add(item.GetString()!);
            }

            return roles;
        }

        private JsonObject Metadata()
        {
            if (Get("metadata") is not { } value)
            {
                return [];
            }

            if (value.ValueKind != JsonValueKind.Object)
            {
                _problems.Add("metadata must be an object");
                return [];
            }

            var metadata = RegistrationService.WithoutNulls(JsonNode.Parse(value.GetRawText())!.AsObject());
            Check(AccountRules.FitsMetadata(metadata), "metadata " + AccountRules.MetadataRule);
            return metadata;
        }
    }
}
