namespace Identity.Accounts.Devices;

/// <summary>The platforms of the contract.</summary>
public static class DevicePlatforms
{
    public const string Android = "android";
    public const string Ios = "ios";

    /// <summary>As people call it.</summary>
    public static string NameOf(string platform) => platform == Ios ? "iOS" : "Android";
}

/// <summary>Why a device was removed, as <c>device.removed</c> tells it.</summary>
public static class DeviceRemovalReasons
{
    /// <summary>The person or the app asked for it.</summary>
    public const string Requested = "requested";

    /// <summary>Its token was registered for another account.</summary>
    public const string Moved = "moved";

    /// <summary>Another device of the account took its place.</summary>
    public const string Replaced = "replaced";

    /// <summary>The provider says that the app is gone or the token is none.</summary>
    public const string Unregistered = "unregistered";

    /// <summary>Not seen for <see cref="DeviceRegistry.StaleAfter"/>.</summary>
    public const string Stale = "stale";
}

/// <summary>A device as people and apps may see it; its token is never shown again.</summary>
/// <param name="Id">UUIDv7.</param>
/// <param name="AccountId">Whose it is.</param>
/// <param name="SessionId">The session that registered it last.</param>
/// <param name="Platform"><see cref="DevicePlatforms"/>.</param>
/// <param name="Environment">iOS only: sandbox or production.</param>
/// <param name="AppId">The app on it: an iOS bundle id or an Android package name.</param>
/// <param name="DeviceId">What the app calls the device.</param>
/// <param name="CanApprove">Whether it brought a key to approve sign-ins with.</param>
/// <param name="UserAgent">Of its registration.</param>
/// <param name="CreatedAt">First registration.</param>
/// <param name="LastSeenAt">Last sign of life.</param>
public sealed record Device(
    Guid Id,
    Guid AccountId,
    string SessionId,
    string Platform,
    string? Environment,
    string? AppId,
    string? DeviceId,
    bool CanApprove,
    string? UserAgent,
    DateTimeOffset CreatedAt,
    DateTimeOffset LastSeenAt);

/// <summary>A device as its app registers it.</summary>
/// <param name="Token">The registration token (FCM) or device token in hexadecimal (APNs).</param>
/// <param name="PublicKey">SubjectPublicKeyInfo of its P-256 key; null: none, or the one it brought before, where its token is the same or the sign-in is fresh.</param>
public sealed record NewDevice(string Platform, string Token, string? DeviceId = null, string? AppId = null, string? Environment = null, byte[]? PublicKey = null);

/// <summary>What a registration came to.</summary>
public abstract record DeviceRegistration
{
    private DeviceRegistration()
    {
    }

    /// <param name="Device">As it is stored.</param>
    /// <param name="KeyIsNew">It has a key that it had not before.</param>
    public sealed record Registered(Device Device, bool KeyIsNew = false) : DeviceRegistration;

    /// <summary>The session ended meanwhile, or the account was disabled.</summary>
    public sealed record SessionOver : DeviceRegistration;

    /// <summary>A key that approves sign-ins is taken from a fresh sign-in only: a stolen access token must not enrol its thief's phone.</summary>
    public sealed record ReauthenticationRequired : DeviceRegistration;
}
