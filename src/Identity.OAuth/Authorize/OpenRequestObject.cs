// RFC 9101 §6.3, RFC 9126 §3: follows OpenIddict's extraction of authorization and of pushed requests, in the place of its ValidateRequestParameter and ValidatePushedRequestParameter, which take no request object.
using System.Collections.Immutable;
using Microsoft.AspNetCore;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Authorize;

/// <summary>Puts what the client signed in the place of what was sent: whatever comes after sees nothing else.</summary>
internal sealed class OpenRequestObject<TContext>(RequestObjects objects) : IOpenIddictServerHandler<TContext>
    where TContext : BaseValidatingContext
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<TContext>()
        .AddFilter<RequireRequestObject>()
        .UseSingletonHandler<OpenRequestObject<TContext>>()
        .SetOrder(int.MaxValue - 100_000)
        .Build();

    public async ValueTask HandleAsync(TContext context)
    {
        var visitor = context.Transaction.GetHttpRequest()!.HttpContext.Features.Get<Visitor>();
        if (!(await objects.OpenAsync(RequestParameters.Of(context.Transaction.Request!), visitor?.Interaction, context.CancellationToken)).TryGet(out var opened, out var error))
        {
            // Only where clients prove themselves is it their failure to.
            var isUnproven = error.Code == OAuthErrors.InvalidClient && context.EndpointType == OpenIddictServerEndpointType.Authorization;
            context.Reject(isUnproven ? OAuthErrors.InvalidRequest : error.Code, error.Description);
            return;
        }

        opened.KeepIn(context.Transaction);
        context.Transaction.Request = new OpenIddictRequest(opened.Parameters.Names.Select(name => KeyValuePair.Create(name, opened.Parameters.All(name).ToImmutableArray<string?>())));
    }
}

/// <summary>The request has a request object, or the address of one: without it nothing of this is done. RFC 9126 §2.1: addresses are not pushed.</summary>
internal sealed class RequireRequestObject : IOpenIddictServerHandlerFilter<BaseContext>
{
    public ValueTask<bool> IsActiveAsync(BaseContext context) => new(
        RequestObjects.AreIn(context.Transaction.Request?.Request, context.EndpointType == OpenIddictServerEndpointType.Authorization ? context.Transaction.Request?.RequestUri : null));
}
