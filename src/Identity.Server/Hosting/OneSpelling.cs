// RFC 3986 §6.2.3: a slash at the end makes another address, and yet routing and OpenIddict take it for the same one. What guards an address goes by its spelling, and must not be got round by another.
namespace Identity.Server.Hosting;

/// <summary>Takes slashes off the end of the addresses of machines, before anything is decided by them.</summary>
public static class OneSpelling
{
    private static readonly PathString[] s_roots = ["/connect", "/api", "/.well-known"];

    public static Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);
        if (context.Request.Path.Value is [.., '/'] path && Array.Exists(s_roots, root => context.Request.Path.StartsWithSegments(root, StringComparison.OrdinalIgnoreCase)))
        {
            context.Request.Path = path.TrimEnd('/');
        }

        return next(context);
    }
}
