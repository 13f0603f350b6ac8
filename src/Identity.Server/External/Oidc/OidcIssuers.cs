// OpenID Connect Core §2 and Discovery §4.3 (the issuer is one fixed address), RFC 9207; and what OpenAM does instead.
namespace Identity.Server.External.Oidc;

/// <summary>Which issuers are this provider. By the specs one, compared character by character.</summary>
/// <remarks>
/// OpenAM builds its issuer from the Host header of each request: with the port always written, in the header's case, and by another name for each alias
/// of the realm. Its preset therefore takes the default port and the host's case for no difference, and the settings list further names. The path, which
/// names the realm, is compared as it is.
/// </remarks>
internal sealed class OidcIssuers(ProviderOptions options)
{
    private readonly HashSet<string> _accepted = new((options.IsOpenAm ? options.Issuers.Prepend(options.Authority!).Select(Plain) : options.Issuers.Prepend(options.Authority!)), StringComparer.Ordinal);

    public bool Accepts(string? issuer) => issuer is { Length: > 0 and < 1000 } && _accepted.Contains(options.IsOpenAm ? Plain(issuer) : issuer);

    // Uri lowers scheme and host and drops a default port; the path must not be touched, so dot segments and escapes are left to differ.
    private static string Plain(string issuer) =>
        Uri.TryCreate(issuer, UriKind.Absolute, out var uri) && uri.Query.Length == 0 && uri.Fragment.Length == 0 && issuer.EndsWith(uri.AbsolutePath == "/" ? "" : uri.AbsolutePath, StringComparison.Ordinal)
            ? uri.GetLeftPart(UriPartial.Authority) + (uri.AbsolutePath == "/" ? "" : uri.AbsolutePath)
            : issuer;
}
