using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages;

/// <summary>Says that the session has ended.</summary>
public sealed class SignedOutModel(PageServices services, RequestContexts contexts) : IdentityPageModel(services)
{
    [BindProperty(SupportsGet = true, Name = "client_id")]
    public string? ClientId { get; set; }

    /// <summary>Where the person came from.</summary>
    public RequestClient? From { get; private set; }

    public async Task OnGetAsync(CancellationToken cancellationToken) => From = await contexts.FindAsync(ClientId, cancellationToken);
}
