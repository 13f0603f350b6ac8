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

        RefusalLog.Refused(loggers.CreateLogger("Identity.OAuth"), context.EndpointType.ToString(), response.Error, RefusalDetail.Of(context.Transaction) ?? response.ErrorDescription ?? "");
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

internal static partial class RefusalLog
{
    public static void Refused(ILogger logger, string endpoint, string error, string detail)
    {
        AnswerMetrics.CountRefusal(endpoint, error);
        Write(logger, endpoint, error, detail);
    }

    [LoggerMessage(5101, LogLevel.Information, "{Endpoint} refused a request: {Error} ({Detail})")]
    private static partial void Write(ILogger logger, string endpoint, string error, string detail);
}
