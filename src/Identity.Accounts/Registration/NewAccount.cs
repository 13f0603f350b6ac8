using System.Text.Json.Nodes;

namespace Identity.Accounts.Registration;

/// <summary>What somebody who registers says of themselves. Formats are checked; what it means is not.</summary>
public sealed record NewAccount(
    string Email,
    string Password,
    string? UserName = null,
    string? PhoneNumber = null,
    string? FirstName = null,
    string? LastName = null,
    JsonObject? Metadata = null);

/// <summary>What a registration came to.</summary>
public abstract record RegistrationResult
{
    private RegistrationResult()
    {
    }

    /// <summary>
    /// Done. Where existing accounts are concealed this is also the answer for a taken address, user name or phone number:
    /// <paramref name="Account"/> is then made up, nothing was stored, and the address is written to.
    /// </summary>
    public sealed record Created(Account Account, JsonObject Metadata) : RegistrationResult;

    /// <summary>EmailTaken, UserNameTaken or PhoneNumberTaken; never where existing accounts are concealed.</summary>
    public sealed record Taken(AccountWrite Member) : RegistrationResult;

    /// <summary>Each says what is wrong, as the end of a sentence that begins with the member's name: <c>must be at least 8 characters long</c>.</summary>
    public sealed record PasswordRefused(IReadOnlyList<string> Problems) : RegistrationResult;

    public sealed record MetadataTooLarge : RegistrationResult;

    public sealed record RateLimited(TimeSpan RetryAfter) : RegistrationResult;
}
