using System.Globalization;
using Identity.Accounts;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.Extensions.Localization;

namespace Identity.Server.Pages;

/// <summary>What went wrong with one field, in the order in which the fields stand.</summary>
/// <param name="Field">Name and id of the field; null: the form as a whole.</param>
/// <param name="Message">What to do, not what is "invalid".</param>
/// <param name="Url">Where it is done, if not at a field; null: here.</param>
public sealed record PageProblem(string? Field, string Message, string? Url = null);

/// <summary>
/// What all pages share. A page does one thing and returns to <see cref="ReturnUrl"/>; it never decides what comes after.
/// </summary>
public abstract class IdentityPageModel(PageServices services) : PageModel
{
    private readonly List<PageProblem> _problems = [];

    /// <summary>A validated local address; anything else became the account page.</summary>
    [BindProperty(SupportsGet = true, Name = "returnUrl")]
    public string? RequestedReturnUrl { get; set; }

    public string ReturnUrl { get; private set; } = "/account";

    /// <summary>For links to the other pages of the same step: absent where it is the default.</summary>
    public string? LinkReturnUrl => ReturnUrl == services.ReturnUrls.Validate(null) ? null : ReturnUrl;

    public RequestContext Context { get; private set; } = RequestContext.None;

    public virtual RequestClient? Client => Context.Client;

    /// <summary>What the page opens in frames: its policy names their origins, and no others.</summary>
    public IReadOnlyList<Uri> Frames { get; protected set; } = [];

    /// <summary>The page is a step of a request that is judged elsewhere.</summary>
    protected bool ServesRequest => services.Interactions.IsRequest(ReturnUrl);

    public bool CanDecline => services.Interactions.CanDecline(ReturnUrl);

    public IReadOnlyList<PageProblem> Problems => _problems;

    protected IStringLocalizer<Texts> T => services.Texts;

    /// <summary>With what this browser is known by: to the accounts that signed in with it, it is no stranger.</summary>
    protected Caller Caller => Callers.Of(HttpContext, Client?.Id, Client?.Name) with { BrowserMark = services.Mark.Of(HttpContext) };

    public override async Task OnPageHandlerExecutionAsync(
        Microsoft.AspNetCore.Mvc.Filters.PageHandlerExecutingContext context,
        Microsoft.AspNetCore.Mvc.Filters.PageHandlerExecutionDelegate next)
    {
        ReturnUrl = services.ReturnUrls.Validate(RequestedReturnUrl);
        Context = await services.Contexts.ReadAsync(ReturnUrl, HttpContext);
        await next();
    }

    /// <summary>Whether the page can be shown again from what was typed alone.</summary>
    protected virtual bool KeepsInput => false;

    /// <summary>
    /// What becomes of a form that this browser opened before it signed in, out, or in as somebody else. Null: it is taken as it is, which is
    /// for forms that act in nobody's name. Else by default the page is opened anew, and says what it would do now.
    /// </summary>
    /// <param name="handler">The form's, where the page has several.</param>
    public virtual ValueTask<IActionResult?> OldFormAsync(string? handler) => new(SeeOther(Request.PathBase + Request.Path + Request.QueryString));

    /// <summary>A form whose token is missing, another browser's or of a cookie that is gone: 400, with what was typed where the page can keep it.</summary>
    public IActionResult RefuseForm(bool hasCookies)
    {
        if (!KeepsInput)
        {
            return BadRequest();
        }

        ModelState.Clear();
        Problem(null, T[hasCookies ? "Problem.OldForm" : "Problem.NoCookies"]);
        Response.StatusCode = StatusCodes.Status400BadRequest;
        return Page();
    }

    /// <summary>
    /// For a sign-in: the session that this browser has goes on where it is the same person's, so that an application that asks for a fresh
    /// sign-in signs nobody out of the others.
    /// </summary>
    protected async ValueTask<Caller> SigningInAsync(BrowserSession browser) => Caller with { SessionId = (await browser.FindAsync(HttpContext))?.Id };

    /// <summary>The person says no to the application they come from: it is told.</summary>
    protected IActionResult Declined() => SeeOther(CanDecline ? services.Interactions.Decline(HttpContext, ReturnUrl) : ReturnUrl);

    protected static IActionResult SeeOther(string url) => new SeeOtherResult(url);

    /// <summary>Notes what to do about a field; the summary and the field both show it.</summary>
    protected void Problem(string? field, string message, string? url = null)
    {
        _problems.Add(new PageProblem(field, message, url));
        ModelState.AddModelError(field ?? "", message);
    }

    /// <summary>The same page with what is wrong on top: 422.</summary>
    protected IActionResult Invalid()
    {
        Response.StatusCode = StatusCodes.Status422UnprocessableEntity;
        return Page();
    }

    /// <summary>The same page, which says how long to wait: 429.</summary>
    /// <param name="retryAfter">How long.</param>
    /// <param name="text">Key of what there was too much of.</param>
    protected IActionResult Wait(TimeSpan retryAfter, string text = "Problem.Wait")
    {
        Response.StatusCode = StatusCodes.Status429TooManyRequests;
        Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(retryAfter.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        Problem(null, T[text, HumanTime.Length(T, retryAfter)]);
        return Page();
    }
}

/// <summary>What every page model needs, so that their constructors name only what is theirs.</summary>
public sealed record PageServices(ReturnUrls ReturnUrls, Interactions Interactions, RequestContexts Contexts, BrowserMark Mark, IStringLocalizer<Texts> Texts);
