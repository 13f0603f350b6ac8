// RFC 3986 §3.3, RFC 8414 §3.1: PUBLIC_URL with a path (https://example.com/identity), behind a proxy that keeps the path or strips it.
using Identity.ServiceDefaults.Settings;

namespace Identity.Server.Hosting;

/// <summary>
/// Takes the public path off the requests that still have it, and gives it to the addresses that are handed out: inside, the service lives at
/// the root. Metadata whose well-known name stands before the path (RFC 8414 §3.1) is found too.
/// </summary>
public sealed class PublicPath(RequestDelegate next, ServerSettings settings)
{
    private static readonly string[] Metadata = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

    private readonly PathString _path = Of(settings);

    /// <summary>The path of PUBLIC_URL; empty: none.</summary>
    public static PathString Of(ServerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return PathString.FromUriComponent(new Uri(settings.PublicUrl).AbsolutePath.TrimEnd('/'));
    }

    /// <summary>An address as browsers need it: one that begins at our root gets the public path before it, once.</summary>
    public static string Rooted(HttpRequest request, string address)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(address);
        var path = request.PathBase.ToUriComponent();
        return path.Length == 0 || !address.StartsWith('/') || address.StartsWith("//", StringComparison.Ordinal) || IsUnder(address, path) ? address : path + address;
    }

    /// <summary>
    /// A path that begins like one of our own could not be told from it.
    /// </summary>
    /// <exception cref="StartFailureException">PUBLIC_URL is such a one.</exception>
    internal static void Check(ServerSettings settings, IEnumerable<EndpointDataSource> sources)
    {
        var path = Of(settings).Value;
        if (!string.IsNullOrEmpty(path) && IsOurs(path, sources.SelectMany(source => source.Endpoints)))
        {
            throw new StartFailureException($"PUBLIC_URL: expected another path: /{path.Split('/')[1]} is one of this service's own.");
        }
    }

    /// <summary>Whether a path begins as one of our own does.</summary>
    internal static bool IsOurs(string path, IEnumerable<Endpoint> own)
    {
        var first = path.Split('/').ElementAtOrDefault(1);
        return own.OfType<RouteEndpoint>().Any(endpoint => string.Equals(endpoint.RoutePattern.RawText?.TrimStart('/').Split('/')[0], first, StringComparison.OrdinalIgnoreCase));
    }

    public Task InvokeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var request = context.Request;
        if (request.Path.StartsWithSegments(_path, StringComparison.Ordinal, out var rest))
        {
            request.Path = rest;
        }
        else if (Metadata.FirstOrDefault(document => request.Path == document + _path.Value) is { } document)
        {
            request.Path = document;
        }

        request.PathBase = _path;
        return next(context);
    }

    private static bool IsUnder(string address, string path) =>
        address.StartsWith(path, StringComparison.Ordinal) && (address.Length == path.Length || address[path.Length] is '/' or '?' or '#');
}
