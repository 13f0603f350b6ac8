// OWASP ASVS 5.0 §3.5.1 (antiforgery), WCAG 2.2 §3.3.1: a form that has grown old is refused, and nobody is left at a dead end.
using Identity.Server.Hosting;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.ViewFeatures;
using Microsoft.Extensions.Options;

namespace Identity.Server.Pages;

/// <summary>
/// Antiforgery on every page, in the place of Razor Pages' own, which answers before the form is read: here the page can keep what was typed.
/// A form of this browser from before it signed in or out elsewhere is the page's to judge (<see cref="IdentityPageModel.OldFormAsync"/>);
/// any other bad token is refused with 400.
/// </summary>
internal sealed class OldForms(IAntiforgery antiforgery, IOptions<AntiforgeryOptions> options) : IAsyncPageFilter, IAntiforgeryPolicy
{
    public Task OnPageHandlerSelectionAsync(PageHandlerSelectedContext context) => Task.CompletedTask;

    public async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        var http = context.HttpContext;
        if (IsSafe(http.Request.Method) || context.HandlerInstance is StatusModel || await antiforgery.IsRequestValidAsync(http))
        {
            await next();
            return;
        }

        var page = (IdentityPageModel)context.HandlerInstance;
        if (FormBinding.IsOfAnotherSession(http))
        {
            var old = await page.OldFormAsync(context.HandlerMethod?.Name);
            if (old is null)
            {
                await next();
                return;
            }

            context.Result = old;
            return;
        }

        context.Result = page.RefuseForm(hasCookies: http.Request.Cookies.ContainsKey(options.Value.Cookie.Name!));
    }

    private static bool IsSafe(string method) => HttpMethods.IsGet(method) || HttpMethods.IsHead(method);
}
