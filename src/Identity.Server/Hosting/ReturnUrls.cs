// RFC 9700 §4.11 and OWASP ASVS 5.0 §1.3.12: a return address is a path of this server, or it is not followed.
namespace Identity.Server.Hosting;

/// <summary>Decides which return addresses are local. When in doubt: none.</summary>
public sealed class ReturnUrls
{
    /// <summary>Where a page leads that came from nowhere.</summary>
    public const string Default = "/account";

    /// <summary>The url itself where it is a path of this server that leads nowhere else, else the account page.</summary>
    public string Validate(string? returnUrl) => IsLocal(returnUrl) ? returnUrl! : Default;

    public static bool IsLocal(string? url)
    {
        if (url is not { Length: > 0 and <= 16_384 } || url[0] != '/' || (url.Length > 1 && url[1] is '/' or '\\'))
        {
            return false;
        }

        // Browsers drop tabs and line ends and turn backslashes, also where they come percent-encoded through a decoding hop.
        var end = url.IndexOf('?', StringComparison.Ordinal);
        var path = end < 0 ? url : url[..end];
        if (url.Any(char.IsControl) || path.Contains('\\', StringComparison.Ordinal) || path.Contains("//", StringComparison.Ordinal) || path.Contains("..", StringComparison.Ordinal) || path.Contains('%', StringComparison.Ordinal) || path.Contains(':', StringComparison.Ordinal))
        {
            return false;
        }

        return Uri.TryCreate(new Uri("http://local.invalid"), url, out var resolved) && resolved.Host == "local.invalid";
    }
}
