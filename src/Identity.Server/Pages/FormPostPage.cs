// OAuth 2.0 Form Post Response Mode 1.0 §2: the page that carries an answer back to the application by POST.
using Identity.Server.Pages.Branding;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Abstractions;
using Microsoft.AspNetCore.Mvc.Infrastructure;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.Mvc.ViewFeatures;

namespace Identity.Server.Pages;

/// <summary>What the page shows and sends.</summary>
/// <param name="Action">The redirect URI.</param>
/// <param name="Application">Whose it is, in words.</param>
/// <param name="Fields">The answer.</param>
public sealed record FormPost(string Action, string Application, IReadOnlyList<KeyValuePair<string, string>> Fields);

/// <summary>Writes the page at the authorize endpoint itself: an answer must not travel through an address of ours, where it would be kept.</summary>
internal sealed class FormPostPage(IActionResultExecutor<ViewResult> executor, IModelMetadataProvider metadata, Brand brand)
{
    public Task WriteAsync(HttpContext context, FormPost answer)
    {
        var headers = context.Response.Headers;

        // The application's answer to the form may lead anywhere of its own, and browsers hold that to form-action too.
        headers.ContentSecurityPolicy = PageHeaders.Policy(brand.LogoOrigin, clientLogo: null, new Uri(answer.Action).Scheme);
        headers["Referrer-Policy"] = "no-referrer";
        var view = new ViewResult
        {
            ViewName = "/Pages/Shared/FormPost.cshtml",
            ViewData = new ViewDataDictionary<FormPost>(metadata, new ModelStateDictionary()) { Model = answer },
        };
        return PageLanguage.SpeakAsync(context, () => executor.ExecuteAsync(new ActionContext(context, context.GetRouteData(), new ActionDescriptor()), view));
    }
}
