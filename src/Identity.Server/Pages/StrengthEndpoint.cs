// NIST SP 800-63B-4 §3.1.1.2: guidance while a password is chosen, such as a meter. The page works without.
using Identity.Accounts.Passwords;
using Identity.Accounts.RateLimits;
using Identity.Server.Pages.Flow;
using Microsoft.Extensions.Localization;

namespace Identity.Server.Pages;

/// <summary>
/// POST /password-strength: what the meter beside a new password says, in the language of the page. The password travels as it will when the
/// form is sent, is judged, and is neither kept nor told; nothing is changed by it.
/// </summary>
internal static class StrengthEndpoint
{
    public const string Path = "/password-strength";

    private const int LongestBody = 8 * 1024;
    private const int MostPerMinute = 120;

    private sealed record Answer(int Score, string Text);

    public static void MapPasswordStrength(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapPost(Path, AnswerAsync).DisableAntiforgery().ExcludeFromDescription();

    private static async Task AnswerAsync(HttpContext context, PasswordStrength strength, IRateLimiter limiter, IStringLocalizer<Texts> texts)
    {
        // A browser that says so sends it from a page of another origin: the work is for ours.
        if (context.Request.Headers["Sec-Fetch-Site"].ToString() is not ("" or "same-origin") || !context.Request.HasFormContentType || context.Request.ContentLength is null or > LongestBody)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        if (!(await limiter.AcquireAsync("strength", Callers.Of(context).From, MostPerMinute, TimeSpan.FromMinutes(1), context.RequestAborted)).Allowed)
        {
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            return;
        }

        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var estimate = strength.Estimate(form["password"].ToString(), form["own"].ToArray());
        context.Response.Headers.CacheControl = "no-store";
        await PageLanguage.SpeakAsync(context, () =>
        {
            var why = estimate.Score >= 3 ? "" : texts["Strength.Why." + estimate.Weakness].Value;
            var word = texts[$"Strength.{estimate.Score}"].Value;
            return context.Response.WriteAsJsonAsync(new Answer(estimate.Score, why.Length == 0 ? word : texts["Strength.Text", word, why].Value), context.RequestAborted);
        });
    }
}
