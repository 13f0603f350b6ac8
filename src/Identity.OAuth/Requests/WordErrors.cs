// RFC 6749 §5.2, RFC 9728 §5.1: follows OpenIddict's error handlers: no address of somebody else's documentation in an answer, and one line in the log that says why.
using Identity.OAuth.Resources;
using Microsoft.Extensions.Logging;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Requests;

/// <summary>What a refusal says, at every endpoint.</summary>
internal sealed partial class WordErrors<TContext>(ResourceCatalog resources, ILoggerFactory loggers) : IOpenIddictServerHandler<TContext>
    where TContext : BaseRequestContext
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<TContext>()
        .UseSingletonHandler<WordErrors<TContext>>()
        .SetOrder(int.MinValue + 50_000)
        .Build();

    public ValueTask HandleAsync(TContext context)
    {
        var response = context.Transaction.Response!;
        if (string.IsNullOrEmpty(response.Error))
        {
            return default;
        }

        RefusalLog.Refused(loggers.CreateLogger("Identity.OAuth"), context.EndpointType.ToString(), context.Transaction.Request is { } request ? RequestParameters.Of(request) : RequestParameters.Empty, response.Error, RefusalDetail.Of(context.Transaction) ?? response.ErrorDescription ?? "");
        response.ErrorUri = null;
        if (context.EndpointType == OpenIddictServerEndpointType.UserInfo)
        {
            // AttachWwwAuthenticateHeader copies every member of the response into the challenge.
            if (response.Error == OAuthErrors.InsufficientScope)
            {
                response.Scope = "openid";
            }

            response["resource_metadata"] = ResourceCatalog.MetadataAddress(resources.UserInfo.Identifier);
        }

        return default;
    }
}

/// <summary>A line in the log for each refusal, that says how to mend it.</summary>
public static partial class RefusalLog
{
    private const int Longest = 300;

    // What a client's developer gets wrong, and what is never a secret, a token or a code.
    private static readonly string[] Told =
        ["redirect_uri", "post_logout_redirect_uri", "response_type", "response_mode", "grant_type", "scope", "resource", "audience", "prompt", "max_age", "code_challenge_method"];

    /// <summary>Whose request it was, why it was refused, and what it sent under the names that the reason speaks of.</summary>
    internal static void Refused(ILogger logger, string endpoint, RequestParameters parameters, string error, string detail)
    {
        AnswerMetrics.CountRefusal(endpoint, error);
        var sent = Told.Where(name => Speaks(detail, name) && parameters[name] is not null).Select(name => $"{name}={string.Join(' ', parameters.All(name).Select(BeforeQuery))}").ToArray();
        Write(logger, endpoint, parameters["client_id"] is { } client ? OneLine(client) : "an unnamed client", error, sent.Length == 0 ? OneLine(detail) : $"{OneLine(detail)} Sent: {OneLine(string.Join(", ", sent))}");
    }

    private static bool Speaks(string detail, string name)
    {
        var at = detail.IndexOf(name, StringComparison.Ordinal);
        return at >= 0 && (at == 0 || !(char.IsAsciiLetter(detail[at - 1]) || detail[at - 1] == '_'));
    }

    // An address's query is the application's own, and may say anything of anybody.
    private static string BeforeQuery(string value) => value.IndexOfAny(['?', '#']) is >= 0 and var at && value.Contains("://", StringComparison.Ordinal) ? value[..at] + "?..." : value;

    /// <summary>What strangers send forges no line, colours no terminal, and brings no person's address or credentials into the log.</summary>
    public static string OneLine(string text) => string.Join(' ', (text.Length > Longest ? text[..Longest] + "..." : text).Split(' ').Select(OneWord));

    private static string OneWord(string word) => word.Contains('@', StringComparison.Ordinal) ? "(not shown)" : string.Concat(word.Select(character => character is >= '!' and <= '~' ? character : '?'));

    [LoggerMessage(5101, LogLevel.Information, "{Endpoint} refused a request of {ClientId}: {Error} ({Detail})")]
    private static partial void Write(ILogger logger, string endpoint, string clientId, string error, string detail);
}
