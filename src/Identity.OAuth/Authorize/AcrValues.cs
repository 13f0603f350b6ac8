// OpenID Connect Core §3.1.2.1 (acr_values), §5.5.1.1 (essential acr), RFC 8176 (amr): authentication context classes.
namespace Identity.OAuth.Authorize;

/// <summary>The authentication context classes a sign-in can reach here.</summary>
public static class AcrValues
{
    /// <summary>One factor: a password or a one-time code.</summary>
    public const string SingleFactor = "urn:identity:acr:1fa";

    /// <summary>What can be reached, weakest first.</summary>
    public static IReadOnlyList<string> Supported { get; } = [SingleFactor];
}
