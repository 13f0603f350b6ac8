// OpenID Connect Session Management 1.0 §2: follows OpenIddict's Authentication.AttachIssuer; session_state in answers to OpenID requests, errors too, where somebody is signed in.
using Identity.OAuth.Sessions;
using Microsoft.AspNetCore;
using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Authorize;

/// <summary>Only with <see cref="OAuthOptions.SessionManagement"/>.</summary>
internal sealed class AttachSessionState(SessionState state, IOptions<OAuthOptions> options) : IOpenIddictServerHandler<ApplyAuthorizationResponseContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ApplyAuthorizationResponseContext>()
        .UseSingletonHandler<AttachSessionState>()
        .SetOrder(SignAnswer.Descriptor.Order - 100)
        .Build();

    public ValueTask HandleAsync(ApplyAuthorizationResponseContext context)
    {
        if (options.Value.SessionManagement
            && context is { RedirectUri: { Length: > 0 } address, Request: { ClientId: { } clientId } request }
            && request.HasScope(OpenIddictConstants.Scopes.OpenId)
            && context.Transaction.GetHttpRequest()!.HttpContext.Features.Get<Visitor>()?.Session is { } session)
        {
            context.Response["session_state"] = state.OfClient(session, clientId, address);
        }

        return default;
    }
}
