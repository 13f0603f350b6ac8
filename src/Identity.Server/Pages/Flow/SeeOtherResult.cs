// RFC 9110 §15.4.4; RFC 9700 §4.12: a 307 would send the password on to the next address.
using Identity.Server.Hosting;
using Microsoft.AspNetCore.Mvc;

namespace Identity.Server.Pages.Flow;

/// <summary>Goes on with a GET after a POST: 303.</summary>
public sealed class SeeOtherResult(string location) : IActionResult
{
    public string Location => location;

    public Task ExecuteResultAsync(ActionContext context)
    {
        context.HttpContext.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.HttpContext.Response.Headers.Location = PublicPath.Rooted(context.HttpContext.Request, location);
        return Task.CompletedTask;
    }
}
