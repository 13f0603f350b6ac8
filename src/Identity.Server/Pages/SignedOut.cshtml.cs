// OpenID Connect Front-Channel Logout 1.0 §3: where applications are to hear of it from the browser, the page opens their addresses in frames, then goes on.
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>Says that the session has ended, and tells applications that want to be told by the browser.</summary>
public sealed class SignedOutModel(PageServices services, EndedSession ended, RequestContexts contexts) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "client_id")]
    public string? ClientId { get; set; }

    /// <summary><c>deleted</c>: with the session the account ended.</summary>
    [BindProperty(SupportsGet = true, Name = "done")]
    public string? Done { get; set; }

    public bool IsDeleted => Done is "deleted";

    /// <summary>Where the person came from.</summary>
    public RequestClient? From { get; private set; }

    /// <summary>Where the sign-out goes on; null: it ends here.</summary>
    public string? Next => LinkReturnUrl is { } next ? PublicPath.Rooted(Request, next) : null;

    public async Task OnGetAsync(CancellationToken cancellationToken)
    {
        From = await contexts.FindAsync(ClientId, cancellationToken);
        Frames = await ended.TakeAsync(HttpContext);
    }
}
