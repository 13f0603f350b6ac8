using Identity.Accounts;

namespace Identity.Server.Pages.Flow;

/// <summary>Where a page request comes from.</summary>
public static class Callers
{
    public static Caller Of(HttpContext context, string? clientId = null, string? clientName = null) =>
        new(context.Connection.RemoteIpAddress?.ToString(), context.Request.Headers.UserAgent.ToString(), clientId, ClientName: clientName);
}
