// RFC 9101 §10.2: precedes OpenIddict's RedeemTokenEntry.
using Identity.OAuth.Requests;
using Identity.OAuth.Storage;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace Identity.OAuth.Authorize;

/// <summary>An object that has an id is good for one code, or for one push.</summary>
internal sealed class SpendRequestObject(IReplayCache replays) : IOpenIddictServerHandler<ProcessSignInContext>
{
    public static OpenIddictServerHandlerDescriptor Descriptor { get; } = OpenIddictServerHandlerDescriptor.CreateBuilder<ProcessSignInContext>()
        .AddFilter<RequireOpenedObject>()
        .UseSingletonHandler<SpendRequestObject>()
        .SetOrder(OpenIddictServerHandlers.RedeemTokenEntry.Descriptor.Order - 500)
        .Build();

    public async ValueTask HandleAsync(ProcessSignInContext context)
    {
        var opened = RequestObject.Of(context.Transaction)!;
        if (!await replays.TryAddAsync("request_object", context.Request.ClientId + "\n" + opened.Id, opened.UsableUntil, context.CancellationToken))
        {
            RefusalDetail.Set(context.Transaction, "request object: its jti was used before");
            context.Reject(OAuthErrors.InvalidRequestObject, "The request object was used before.");
        }
    }
}

/// <summary>The request came as an object with an id.</summary>
internal sealed class RequireOpenedObject : IOpenIddictServerHandlerFilter<ProcessSignInContext>
{
    public ValueTask<bool> IsActiveAsync(ProcessSignInContext context) =>
        new(context.EndpointType is OpenIddictServerEndpointType.Authorization or OpenIddictServerEndpointType.PushedAuthorization && RequestObject.Of(context.Transaction)?.Id is not null);
}
