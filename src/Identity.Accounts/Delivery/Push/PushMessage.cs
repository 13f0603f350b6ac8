namespace Identity.Accounts.Delivery.Push;

/// <summary>What a push message is about.</summary>
public static class PushKinds
{
    public const string Code = "code";
    public const string SignIn = "sign_in";
}

/// <summary>A message for one device.</summary>
/// <param name="Id">The same at every attempt: a device shows a repeat in the place of the first.</param>
/// <param name="Title">A line.</param>
/// <param name="Text">Plain text.</param>
/// <param name="Data">What the app reads.</param>
/// <param name="ExpiresAt">Worth nothing after; providers are told.</param>
public sealed record PushMessage(Guid Id, string Title, string Text, IReadOnlyDictionary<string, string> Data, DateTimeOffset ExpiresAt);

/// <summary>Where a message goes.</summary>
/// <param name="Token">The provider's name for app and device.</param>
/// <param name="Environment">iOS only.</param>
/// <param name="AppId">Bundle id or package name, where the device told.</param>
public sealed record PushTarget(string Token, string? Environment, string? AppId);

/// <summary>What came of handing a message to a provider.</summary>
public abstract record PushOutcome
{
    private PushOutcome()
    {
    }

    public sealed record Sent : PushOutcome;

    /// <summary>The app is gone from the device, or the token is none.</summary>
    /// <param name="AsOf">When the provider saw it; a registration after that counts.</param>
    /// <param name="Reason">The provider's word.</param>
    public sealed record Gone(DateTimeOffset AsOf, string Reason) : PushOutcome;

    /// <summary>Not now.</summary>
    /// <param name="Reason">The provider's word, or what failed.</param>
    /// <param name="AtLeast">No sooner than this, whatever the number of attempts says.</param>
    /// <param name="PausesAll">Whether everything to this provider waits that long.</param>
    public sealed record Later(string Reason, TimeSpan AtLeast = default, bool PausesAll = false) : PushOutcome;

    /// <summary>Not ever.</summary>
    /// <param name="Reason">The provider's word.</param>
    /// <param name="IsAlarm">Whether the operator has to do something: until then nothing of the kind arrives.</param>
    public sealed record Refused(string Reason, bool IsAlarm) : PushOutcome;
}

/// <summary>Hands messages to the provider of one platform. Outages are <see cref="PushOutcome.Later"/>, not exceptions.</summary>
public interface IPushSender
{
    string Platform { get; }

    Task<PushOutcome> SendAsync(PushTarget target, PushMessage message, CancellationToken cancellationToken);
}
