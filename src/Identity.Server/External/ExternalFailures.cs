// OWASP ASVS 5.0 §16.5: the page says what to do, the log says what happened and which setting mends it.
using System.Diagnostics;
using Identity.Server.Hosting;
using Identity.Server.Pages.Flow;

namespace Identity.Server.External;

/// <summary>What a failed external sign-in tells the person. Each has a text of its own.</summary>
internal enum ExternalProblem
{
    /// <summary>They said no there.</summary>
    Denied,
    /// <summary>The way back was old, used, or of another browser.</summary>
    Expired,
    /// <summary>The provider's answer is not acceptable.</summary>
    Refused,
    /// <summary>The provider is away, slow, or talks nonsense.</summary>
    Unavailable,
    /// <summary>The provider is set up in a way that its operator has to change.</summary>
    Setup,
    /// <summary>The provider did not ask them to prove themselves again.</summary>
    NotFresh,
    /// <summary>The account here is disabled.</summary>
    Disabled,
    /// <summary>There is no account here for them.</summary>
    NoAccount,
    /// <summary>Somebody else's account is linked to them.</summary>
    Taken,
    /// <summary>There is no such provider, or it is switched off.</summary>
    Unknown,
}

/// <summary>An external sign-in ends here.</summary>
/// <param name="problem">What the person is told.</param>
/// <param name="reason">A stable word for the log and its readers.</param>
/// <param name="detail">For the log: what was found, and the setting that mends it. Never a token, a secret or an address of a person.</param>
internal sealed class ExternalRefusal(ExternalProblem problem, string reason, string detail) : Exception(detail)
{
    public ExternalProblem Problem => problem;

    public string Reason => reason;
}

/// <summary>Tells failures: to the log with the detail, to the person with what to do and an id to quote.</summary>
internal sealed partial class ExternalFailures(ILogger<ExternalFailures> logger)
{
    public const string Path = "/external/problem";

    /// <summary>Notes it and sends the browser to the page that tells it.</summary>
    public void Tell(HttpContext context, string provider, Exception failure, string? returnUrl)
    {
        var (problem, reason, detail) = Read(failure);
        var id = Activity.Current?.TraceId.ToString() ?? context.TraceIdentifier;
        Log(provider, problem, reason, detail, id);
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = PublicPath.Rooted(context.Request, PageUrls.ExternalProblem(problem.ToString(), provider, id, returnUrl));
        context.Response.Headers.CacheControl = "no-store";
    }

    /// <summary>For failures that are answered without a page.</summary>
    public void Note(string provider, Exception failure)
    {
        var (problem, reason, detail) = Read(failure);
        Log(provider, problem, reason, detail, Activity.Current?.TraceId.ToString() ?? "-");
    }

    private void Log(string provider, ExternalProblem problem, string reason, string detail, string id)
    {
        if (problem is ExternalProblem.Setup)
        {
            LogSetup(provider, reason, detail, id);
        }
        else if (problem is ExternalProblem.Unavailable)
        {
            LogUnavailable(provider, reason, detail, id);
        }
        else
        {
            LogRefused(provider, reason, detail, id);
        }
    }

    private static (ExternalProblem Problem, string Reason, string Detail) Read(Exception failure) => failure switch
    {
        ExternalRefusal refusal => (refusal.Problem, refusal.Reason, refusal.Message),
        { InnerException: ExternalRefusal inner } => (inner.Problem, inner.Reason, inner.Message),
        BadHttpRequestException or InvalidDataException => (ExternalProblem.Refused, "form", "the request is too long or cut off"),
        HttpRequestException or IOException or OperationCanceledException or TimeoutException or System.Text.Json.JsonException => (ExternalProblem.Unavailable, "unreachable", Name(failure)),
        { InnerException: HttpRequestException or IOException or OperationCanceledException or TimeoutException or System.Text.Json.JsonException } => (ExternalProblem.Unavailable, "unreachable", Name(failure.InnerException)),
        _ => (ExternalProblem.Refused, "protocol", Name(failure)),
    };

    // What libraries say of a message may quote it; line ends of theirs make no lines of ours.
    private static string Name(Exception failure)
    {
        var text = failure.GetType().Name + ": " + failure.Message.ReplaceLineEndings(" ");
        return text.Length > 300 ? text[..300] : text;
    }

    [LoggerMessage(5301, LogLevel.Warning, "External sign-in through {Provider} was refused ({Reason}): {Detail} [{CorrelationId}]")]
    private partial void LogRefused(string provider, string reason, string detail, string correlationId);

    [LoggerMessage(5302, LogLevel.Error, "The provider {Provider} is set up in a way that is refused ({Reason}): {Detail} [{CorrelationId}]")]
    private partial void LogSetup(string provider, string reason, string detail, string correlationId);

    [LoggerMessage(5303, LogLevel.Error, "The provider {Provider} cannot be used now ({Reason}): {Detail} [{CorrelationId}]")]
    private partial void LogUnavailable(string provider, string reason, string detail, string correlationId);
}
