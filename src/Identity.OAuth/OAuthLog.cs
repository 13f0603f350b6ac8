using Microsoft.Extensions.Logging;

namespace Identity.OAuth;

/// <summary>What the engine tells the log. Event ids 1000 to 1999 are stable; nothing here is ever a secret, a token or a code.</summary>
internal static partial class OAuthLog
{
    [LoggerMessage(1001, LogLevel.Information, "Signing key {Kid} ({Algorithm}, number {Ordinal}) was made; it signs from {ActivatesAt:O}.")]
    public static partial void KeyMade(this ILogger logger, string kid, string algorithm, int ordinal, DateTimeOffset activatesAt);

    [LoggerMessage(1002, LogLevel.Information, "Signing key {Kid} ({Algorithm}) is published until {RetiresAt:O}.")]
    public static partial void KeyRetiring(this ILogger logger, string kid, string algorithm, DateTimeOffset retiresAt);

    [LoggerMessage(1003, LogLevel.Information, "Signing key {Kid} ({Algorithm}) was deleted: the last token it signed has died.")]
    public static partial void KeyDeleted(this ILogger logger, string kid, string algorithm);

    [LoggerMessage(1004, LogLevel.Warning, "The signing keys could not be read again: those known are used for a while.")]
    public static partial void KeysNotRead(this ILogger logger, Exception exception);

    [LoggerMessage(1010, LogLevel.Warning, "A refresh token of client {ClientId} was used again: its family {FamilyId} is revoked and session {SessionId} ended.")]
    public static partial void RefreshTokenReused(this ILogger logger, string clientId, Guid familyId, string sessionId);

    [LoggerMessage(1011, LogLevel.Warning, "An authorization code of client {ClientId} was used again: the tokens of grant {GrantId} were revoked.")]
    public static partial void CodeReplayed(this ILogger logger, string clientId, Guid grantId);

    [LoggerMessage(1012, LogLevel.Information, "Client {ClientId} exchanged an access token of {SubjectClientId} for {Audience} ({Kind}).")]
    public static partial void TokenExchanged(this ILogger logger, string clientId, string subjectClientId, IReadOnlyList<string> audience, string kind);

    [LoggerMessage(1020, LogLevel.Debug, "{Event} ended with {Handler}: handled, skipped or rejected.", SkipEnabledCheck = true)]
    public static partial void EventEnded(this ILogger logger, string @event, string handler);
}
