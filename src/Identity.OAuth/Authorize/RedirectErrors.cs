// RFC 6749 §4.1.2.1 and RFC 9700 §4.11.2: follows OpenIddict's Authentication.InferResponseMode. OpenIddict keeps the errors of its validation to itself;
// a client whose redirect_uri is right is told, unless that would make us an open redirector.
using Microsoft.AspNetCore;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace Identity.OAuth.Authorize;

/// <summary>Where an error goes, and how.</summary>
internal sealed class RedirectErrors(AuthorizeRules rules, AuthorizeDecision decision) : IOpenIddictServerHandler<ApplyAuthorizationResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyAuthorizationResponseContext>()
        .UseSingletonHandler<RedirectErrors>()
        .SetOrder(Authentication.InferResponseMode.Descriptor.Order + 500)
        .Build();

    public async ValueTask HandleAsync(ApplyAuthorizationResponseContext context)
    {
        if (context.Request is null || string.IsNullOrEmpty(context.Error) || !string.IsNullOrEmpty(context.RedirectUri))
        {
            return;
        }

        if (context.Request.RequestUri is { Length: > 0 } && string.IsNullOrEmpty(context.Request.RedirectUri))
        {
            // RFC 9126 §4: a reference that stands for nothing (any more) names no address; the only registered one would be a guess.
            return;
        }

        var visitor = context.Transaction.GetHttpRequest()!.HttpContext.Features.Get<Visitor>() ?? new Visitor(null, null);
        if (await rules.FindTargetAsync(RequestParameters.Of(context.Request), context.CancellationToken) is not var (client, target)
            || !await decision.IsTrustedAsync(client.ClientId, visitor, context.CancellationToken))
        {
            // A page tells the person.
            return;
        }

        context.RedirectUri = target.Uri;
        context.ResponseMode = target.Mode;
        context.Response.State = target.State;
    }
}
