namespace Identity.Accounts;

/// <summary>Where a request comes from: for the audit trail, the limits per address, and the session it may lead to.</summary>
/// <param name="Ip">The client's address, as far as trusted proxies tell it.</param>
/// <param name="UserAgent">At most 400 characters.</param>
/// <param name="ClientId">The OAuth client it comes through.</param>
/// <param name="ActorId">Who acts, where that is not the account itself: another account's id or a client id.</param>
/// <param name="DeviceId">What the caller calls its device.</param>
/// <param name="SessionId">The session this browser has: when the same person signs in again it goes on, instead of a new one.</param>
public sealed record Caller(string? Ip, string? UserAgent, string? ClientId = null, string? ActorId = null, string? DeviceId = null, string? SessionId = null);
