using Identity.Accounts;

namespace Identity.Server.Pages.Flow;

/// <summary>Where a page request comes from.</summary>
public static class Callers
{
    private const int LongestUserAgent = 400;

    public static Caller Of(HttpContext context, string? clientId = null)
    {
        var agent = context.Request.Headers.UserAgent.ToString();
        return new Caller(
            context.Connection.RemoteIpAddress?.ToString(),
            agent.Length switch { 0 => null, > LongestUserAgent => agent[..LongestUserAgent], _ => agent },
            clientId);
    }
}
