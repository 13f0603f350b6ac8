// OWASP ASVS 5.0 §3.5.1: a form belongs to the person it was made for.
using Microsoft.AspNetCore.Antiforgery;

namespace Identity.Server.Hosting;

/// <summary>
/// Binds antiforgery tokens to whose session the page was made in. It is asked last, when cookie and token have been found to belong
/// together: what fails here is this browser's own form, made before it signed in, out, or in as somebody else.
/// </summary>
internal sealed class FormBinding : IAntiforgeryAdditionalDataProvider
{
    private static readonly object Key = new();

    /// <summary>Whether the request brought a form that was this browser's, but another person's or nobody's.</summary>
    public static bool IsOfAnotherSession(HttpContext context) => context.Items.ContainsKey(Key);

    public string GetAdditionalData(HttpContext context) => BrowserSession.Known(context)?.AccountId.ToString("D") ?? "";

    public bool ValidateAdditionalData(HttpContext context, string additionalData)
    {
        if (string.Equals(additionalData, GetAdditionalData(context), StringComparison.Ordinal))
        {
            return true;
        }

        context.Items[Key] = true;
        return false;
    }
}
