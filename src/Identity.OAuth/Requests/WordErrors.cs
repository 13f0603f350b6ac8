// RFC 6749 §5.2, RFC 9728 §5.1: follows OpenIddict's error handlers: no address of somebody else's documentation in an answer, and one line in the log that says why.
using Identity.OAuth.Clients;
using Identity.OAuth.Resources;
using Microsoft.Extensions.Logging;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Requests;

/// <summary>What a refusal says, at every endpoint.</summary>
internal sealed partial class WordErrors<TContext>(ResourceCatalog resources, ClientStore clients, ILoggerFactory loggers) : IOpenIddictServerHandler<TContext>
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

        RefusalLog.Refused(loggers.CreateLogger("Identity.OAuth"), context.EndpointType.ToString(), clients, context.Transaction.Request is { } request ? RequestParameters.Of(request) : RequestParameters.Empty, response.Error, RefusalDetail.Of(context.Transaction) ?? response.ErrorDescription ?? "");
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
internal static partial class RefusalLog
{
    private const int Longest = 300;

    // What a client's developer gets wrong, and is an address: whatever else is sent may be a secret under the wrong name.
    private static readonly string[] Addresses = ["redirect_uri", "post_logout_redirect_uri", "resource", "audience"];

    /// <summary>Whose request it was, why it was refused, and which addresses it sent under the names that the reason speaks of.</summary>
    internal static void Refused(ILogger logger, string endpoint, ClientStore clients, RequestParameters parameters, string error, string detail)
    {
        var sent = Addresses.Where(name => Speaks(detail, name)).SelectMany(name => parameters.All(name).Select(value => $"{name}={Address(value)}")).ToArray();
        Refused(logger, endpoint, parameters["client_id"] is { } client && clients.WasFound(client) ? OneLine(client) : "an unknown client", error, sent.Length == 0 ? OneLine(detail) : $"{OneLine(detail)} Sent: {OneLine(string.Join(", ", sent))}");
    }

    /// <summary>A request of which nothing but its address is looked at.</summary>
    internal static void Refused(ILogger logger, string endpoint, string client, string error, string detail)
    {
        AnswerMetrics.CountRefusal(endpoint, error);
        Write(logger, endpoint, client, error, detail);
    }

    private static bool Speaks(string detail, string name)
    {
        var at = detail.IndexOf(name, StringComparison.Ordinal);
        return at >= 0 && (at == 0 || !(char.IsAsciiLetter(detail[at - 1]) || detail[at - 1] == '_'));
    }

    // The query is the application's own, and may say anything of anybody.
    private static string Address(string value) =>
        !Uri.TryCreate(value, UriKind.Absolute, out var uri) || uri.Host.Length == 0 || uri.UserInfo.Length > 0 || value.Contains('@', StringComparison.Ordinal) ? "(not shown)"
        : value.IndexOfAny(['?', '#']) is >= 0 and var at ? value[..at] + "?..."
        : value;

    /// <summary>What strangers send forges no line and colours no terminal.</summary>
    private static string OneLine(string text) =>
        string.Concat(text.Take(Longest).Select(character => character is >= ' ' and <= '~' ? character : '?')) + (text.Length > Longest ? "..." : "");

    [LoggerMessage(5101, LogLevel.Information, "{Endpoint} refused a request of {ClientId}: {Error} ({Detail})")]
    private static partial void Write(ILogger logger, string endpoint, string clientId, string error, string detail);
}
