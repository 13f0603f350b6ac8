using Identity.Accounts.Data;
using Identity.Accounts.RateLimits;

namespace Identity.Accounts;

/// <summary>Where a request comes from: for the audit trail, the limits per address, and the session it may lead to. What strangers say of themselves is cut here, whoever reads it.</summary>
/// <param name="Ip">The client's address, as far as trusted proxies tell it.</param>
/// <param name="UserAgent">At most 400 characters are kept.</param>
/// <param name="ClientId">The OAuth client it comes through.</param>
/// <param name="ActorId">Who acts, where that is not the account itself: another account's id or a client id.</param>
/// <param name="DeviceId">What the caller calls its device.</param>
/// <param name="SessionId">The session this browser has: when the same person signs in again it goes on, instead of a new one.</param>
/// <param name="BrowserMark">What this browser is known by across sign-ins and sign-outs; null: it keeps no cookies, or is none.</param>
/// <param name="AccountId">Whose account the request is shown to come from already: by a live session or token, or by the registration that this browser or client just made.</param>
/// <param name="RememberedTokens">What this browser carries of second factors that it was remembered for.</param>
/// <param name="ClientName">What that client is called, for messages to the person.</param>
/// <param name="TakesTokens">The answer is tokens of the client at once, with no authorization request after it: what the client asks of a sign-in is asked of this one.</param>
/// <param name="RegisteredAs">The account that this browser was told it made for the address in question; made up, where somebody had one for it already.</param>
public sealed record Caller(
    string? Ip,
    string? UserAgent,
    string? ClientId = null,
    string? ActorId = null,
    string? DeviceId = null,
    string? SessionId = null,
    string? BrowserMark = null,
    Guid? AccountId = null,
    IReadOnlyList<string>? RememberedTokens = null,
    string? ClientName = null,
    bool TakesTokens = false,
    Guid? RegisteredAs = null)
{
    public const int LongestUserAgent = 400;

    /// <summary>What limits by address count.</summary>
    public CountedAddress? From => CountedAddress.Of(Ip);

    /// <summary>The account is this caller's own work, shown by more than a code.</summary>
    public bool Brings(Account account) => account.Id == AccountId || account.Id == RegisteredAs;

    /// <summary>This caller registered the account's address too, and found that somebody had it: what is on the account is not theirs.</summary>
    public bool FoundTaken(Account account) => RegisteredAs is not null && !Brings(account);

    private const int LongestName = 200;

    public string? UserAgent { get; init => field = Cut(value, LongestUserAgent); } = Cut(UserAgent, LongestUserAgent);

    public string? ClientId { get; init => field = Cut(value, LongestName); } = Cut(ClientId, LongestName);

    public string? ActorId { get; init => field = Cut(value, LongestName); } = Cut(ActorId, LongestName);

    public string? DeviceId { get; init => field = Cut(value, LongestName); } = Cut(DeviceId, LongestName);

    private static string? Cut(string? text, int longest) => string.IsNullOrEmpty(text) ? null : Text.Cut(text, longest);
}
