// OpenID Connect RP-Initiated Logout 1.0 §2: on to the provider that the session came from.
using Identity.Server.External;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.External;

/// <summary>Leads on to sign out at the provider too, by itself and by a link. Browsers do not follow a form of ours to another server, but a page they do.</summary>
public sealed class SignOutModel : IdentityPageModel
{
    private readonly ExternalSignOut _signOut;

    public SignOutModel(PageServices services, IServiceProvider all)
        : base(services) => _signOut = all.GetRequiredService<ExternalSignOut>();

    [BindProperty(SupportsGet = true, Name = "id")]
    public string? Id { get; set; }

    public string ProviderName { get; private set; } = "";

    public string Address { get; private set; } = "";

    public async Task<IActionResult> OnGetAsync()
    {
        if (await _signOut.FindAsync(HttpContext, Id) is not var (provider, url))
        {
            return SeeOther(PageUrls.SignedOutPath);
        }

        (ProviderName, Address) = (provider.DisplayName, url);
        Response.Headers["Refresh"] = "0; url=" + url;
        return Page();
    }
}
