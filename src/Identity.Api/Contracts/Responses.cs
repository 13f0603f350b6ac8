using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Identity.Accounts;

namespace Identity.Api.Contracts;

/// <summary>The user, as every route shows it.</summary>
/// <param name="Id">Never changes, and is nobody else's.</param>
/// <param name="Email">In its normal form.</param>
/// <param name="UserName">A name to sign in with, where there is one.</param>
/// <param name="PhoneNumber">E.164.</param>
/// <param name="FirstName">Given name.</param>
/// <param name="LastName">Family name.</param>
/// <param name="EmailVerified">Whether a code proved the address.</param>
/// <param name="PhoneNumberVerified">Whether a code proved the number.</param>
/// <param name="IsActive">Whether the user may sign in.</param>
/// <param name="Roles">What tokens carry.</param>
/// <param name="Metadata">Free members, at most 16 KB.</param>
/// <param name="CreatedAt">When the account was made.</param>
/// <param name="UpdatedAt">Last change.</param>
/// <param name="LastLoginAt">Last sign-in; null: none yet.</param>
public sealed record UserResponse(
    Guid Id,
    string Email,
    string? UserName,
    string? PhoneNumber,
    string? FirstName,
    string? LastName,
    bool EmailVerified,
    bool PhoneNumberVerified,
    bool IsActive,
    IReadOnlyList<string> Roles,
    JsonObject Metadata,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt,
    DateTimeOffset? LastLoginAt)
{
    /// <summary>What takes the place of <c>email</c> once a code proves it; absent where nothing does.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PendingEmail { get; init; }

    /// <summary>What takes the place of <c>phoneNumber</c> once a code proves it; absent where nothing does.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PendingPhoneNumber { get; init; }

    /// <summary>When the account is deleted for good, where its person asked for that. Absent elsewhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? DeletedAfter { get; init; }

    internal static UserResponse Of(Account account, JsonObject metadata) => new(
        account.Id,
        account.Email,
        account.UserName,
        account.PhoneNumber,
        account.FirstName,
        account.LastName,
        account.EmailVerified,
        account.PhoneNumberVerified,
        account.IsActive,
        account.Roles,
        metadata,
        account.CreatedAt,
        account.UpdatedAt,
        account.LastLoginAt)
    {
        PendingEmail = account.PendingEmail,
        PendingPhoneNumber = account.PendingPhoneNumber,
        DeletedAfter = account.DeleteAfter,
    };
}

/// <summary>A page of users.</summary>
/// <param name="Items">In an order that does not change.</param>
/// <param name="NextCursor">For the next page; null: this is the last.</param>
public sealed record UsersResponse(IReadOnlyList<UserResponse> Items, string? NextCursor);

/// <summary>All that is kept about a user; beside these, a member for every table that names it.</summary>
/// <param name="ExportedAt">When it was read.</param>
/// <param name="User">The account.</param>
/// <param name="Metadata">Free members.</param>
/// <param name="Password">Whether there is one, and since when; never the password.</param>
/// <param name="Sessions">Sign-ins that are kept.</param>
/// <param name="AuditLog">What was done to the account.</param>
public sealed record PersonalDataResponse(DateTimeOffset ExportedAt, JsonObject User, JsonObject Metadata, JsonObject Password, IReadOnlyList<JsonObject> Sessions, IReadOnlyList<JsonObject> AuditLog);

/// <summary>A role.</summary>
/// <param name="Name">As it is in tokens.</param>
/// <param name="Description">For people.</param>
/// <param name="CreatedAt">Null for the one that is built in.</param>
public sealed record RoleResponse(string Name, string? Description, DateTimeOffset? CreatedAt);

/// <summary>Every role, by name.</summary>
/// <param name="Items">All of them: there are no pages.</param>
public sealed record RolesResponse(IReadOnlyList<RoleResponse> Items);

/// <summary>Answer of login and refresh-token.</summary>
/// <param name="AccessToken">Sent as Bearer.</param>
/// <param name="RefreshToken">Worth one refresh: each answers with the next one.</param>
/// <param name="TokenType">Always <c>Bearer</c>.</param>
/// <param name="ExpiresIn">Seconds.</param>
/// <param name="RefreshExpiresIn">Seconds.</param>
/// <param name="SessionId">What session.created and session.destroyed tell of.</param>
/// <param name="User">Who signed in.</param>
public sealed record TokensResponse(
    string AccessToken,
    string RefreshToken,
    string TokenType,
    long ExpiresIn,
    long RefreshExpiresIn,
    string SessionId,
    UserResponse User)
{
    /// <summary>Shown this once, where the sign-in added the account's first factor; absent elsewhere.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? RecoveryCodes { get; init; }
}

/// <summary>Answer of otp/generate; the same for an unknown user.</summary>
/// <param name="OtpId">For otp/verify.</param>
/// <param name="Channel">email, sms or push.</param>
/// <param name="Destination">Masked.</param>
/// <param name="ExpiresAt">When the code is dead.</param>
/// <param name="ExpiresIn">Seconds.</param>
public sealed record OtpResponse(Guid OtpId, string Channel, string Destination, DateTimeOffset ExpiresAt, long ExpiresIn);

/// <summary>Answer of otp/verify.</summary>
/// <param name="Verified">Always true: what is not is a failure.</param>
public sealed record VerifiedResponse(bool Verified);

/// <summary>Answer of otp/verify; for a code that signs in, the members of login beside <c>verified</c>.</summary>
/// <param name="Verified">Always true: what is not is a failure.</param>
/// <param name="AccessToken">Sent as Bearer.</param>
/// <param name="RefreshToken">Worth one refresh: each answers with the next one.</param>
/// <param name="TokenType">Always <c>Bearer</c>.</param>
/// <param name="ExpiresIn">Seconds.</param>
/// <param name="RefreshExpiresIn">Seconds.</param>
/// <param name="SessionId">What session.created and session.destroyed tell of.</param>
/// <param name="User">Who signed in.</param>
public sealed record VerifiedAndSignedInResponse(
    bool Verified,
    string AccessToken,
    string RefreshToken,
    string TokenType,
    long ExpiresIn,
    long RefreshExpiresIn,
    string SessionId,
    UserResponse User)
{
    internal VerifiedAndSignedInResponse(TokensResponse tokens)
        : this(true, tokens.AccessToken, tokens.RefreshToken, tokens.TokenType, tokens.ExpiresIn, tokens.RefreshExpiresIn, tokens.SessionId, tokens.User)
    {
    }
}

/// <summary>Answer where there is nothing to tell but that it is done.</summary>
/// <param name="Success">Always true: what is not is a failure.</param>
public sealed record SuccessResponse(bool Success);

/// <summary>Answer of GET /api/identity: what answers here, and where it is described.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Version">Of the software.</param>
/// <param name="Issuer">As tokens name it.</param>
/// <param name="OpenIdConfiguration">Where applications that speak OpenID Connect begin.</param>
public sealed record ServiceResponse(string Name, string Version, string Issuer, string OpenIdConfiguration)
{
    /// <summary>The description of these routes; absent where the operator keeps it closed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? OpenApi { get; init; }

    /// <summary>The description of the messages that are sent and taken; absent where the operator keeps it closed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? AsyncApi { get; init; }

    /// <summary>The routes on a page, to be read and tried; absent where the operator keeps it closed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Docs { get; init; }
}

internal static class ContractJson
{
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        Converters = { new UtcConverter() },

        // Names and phone numbers as people wrote them: these answers are JSON by their type and nosniff, never part of a page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>ISO 8601 in UTC with milliseconds, as JavaScript writes it.</summary>
    private sealed class UtcConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDateTimeOffset();

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
    }
}
